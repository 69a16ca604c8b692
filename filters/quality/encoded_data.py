r"""Base64, hexadecimal and escaped data inside of sources.

StarCoder2 (arXiv 2402.19173, section 3.1) looks for three patterns:

    base64       [a-zA-Z0-9+/\n=]{64,}
    hexadecimal  (?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}
    Unicode      (?:\\u[0-9a-fA-F]{4}){8,}

and drops a file where one match is longer than 1024 characters, or half of the file matches. The
same patterns over ASCII's word characters and whitespace, compiled; matches of different patterns
that overlap count once.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch
from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled

Scores = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

BASE64_LEAST = 64
REPEATS = 8

BASE64, WORD, HEX, SPACE, ESCAPE = 1, 2, 4, 8, 16
"""Bits of a byte's classes."""


def _classes(byte: int) -> int:
    character = chr(byte)
    if byte >= 128:
        return 0
    return (
        BASE64 * (character.isalnum() or character in "+/\n=")
        | WORD * (character.isalnum() or character == "_")
        | HEX * (character in "0123456789abcdefABCDEF")
        | SPACE * (character in " \t\n\r\f\v")
        | ESCAPE * (character == "\\")
    )


CLASSES = np.array([_classes(byte) for byte in range(256)], np.uint8)


class Encoded(NamedTuple):
    """Of each text, int64 [n]: the longest match, and what all of them cover, in bytes."""

    longest: Integers
    covered: Integers


def encoded(batch: Batch) -> Encoded:
    """Find encoded data; filters ask through `batch.once(encoded)`."""
    data, offsets = text_bytes(batch.texts)
    found = Encoded(*(np.zeros(len(offsets) - 1, np.int64) for _ in range(2)))
    _find(data, offsets, CLASSES, *found)
    return found


def encoded_run(batch: Batch) -> Scores:
    """Score: bytes of the longest match. Default: at most 1024 (see above)."""
    return batch.once(encoded).longest.astype(np.float64)


def encoded_share(batch: Batch) -> Scores:
    """Score: share of the bytes that match. Default: at most 0.5 (see above)."""
    _, offsets = text_bytes(batch.texts)
    return batch.once(encoded).covered / np.maximum(np.diff(offsets), 1)


@compiled()
def _find(
    data: Bytes, offsets: Offsets, classes: Flags, longest: Integers, covered: Integers
) -> None:
    for document in range(len(longest)):
        first, stop = offsets[document], offsets[document + 1]
        if _may_match(data, first, stop, classes):
            longest[document], covered[document] = _measure(data, first, stop, classes)


@compiled()
def _may_match(data: Bytes, first: int, stop: int, classes: Flags) -> bool:
    r"""Tell whether a document may hold any match; few do, and this costs less than a search.

    Of a hexadecimal match every pair ends before a character of no word, and but for the first it
    has what may stand between two pairs before it; of an escaped one every "\u" counts.
    """
    i = first
    while i < stop:
        end = _base64_end(data, i, stop, classes)
        if end - i >= BASE64_LEAST:
            return True
        i = max(end, i + 1)
    linked = most = escapes = 0
    one = two = np.uint8(0)
    for i in range(first, stop):
        kinds = classes[data[i]]
        if one & two & HEX and not kinds & WORD:
            linked = linked + 1 if _follows(data, first, i - 2, classes) else 0
            most = max(most, linked)
        if one & ESCAPE:
            escapes += data[i] == 117
        two = one
        one = kinds
    # The last pair may end with the text.
    return most >= REPEATS - 2 or escapes >= REPEATS


@compiled()
def _follows(data: Bytes, first: int, pair: int, classes: Flags) -> bool:
    """Tell whether another pair of digits may end right before the pair at `pair`."""
    at = pair - 1
    if at >= first and data[at] == 120:
        at -= 2
    if at >= first and data[at] == 44:
        at -= 1
    while at >= first and classes[data[at]] & SPACE:
        at -= 1
    return bool(at > first and classes[data[at]] & classes[data[at - 1]] & HEX)


@compiled()
def _measure(data: Bytes, first: int, stop: int, classes: Flags) -> tuple[int, int]:
    """Return the longest match of a document, and what all of them cover, in bytes."""
    longest = covered = 0
    base64 = hexadecimal = escaped = covered_to = first
    kinds = np.uint8(0)
    for i in range(first, stop):
        end = i
        before = kinds
        kinds = classes[data[i]]
        if i >= base64 and kinds & BASE64:
            base64 = _base64_end(data, i, stop, classes)
            if base64 - i >= BASE64_LEAST:
                end = base64
        boundary = (before ^ kinds) & WORD
        if boundary and i >= hexadecimal and (kinds & HEX or data[i] == 92):
            reached = _hex_end(data, first, i, stop, classes)
            if reached > i:
                hexadecimal = reached
                end = max(end, reached)
        if i >= escaped and data[i] == 92:
            reached = _escapes_end(data, i, stop, classes)
            if reached > i:
                escaped = reached
                end = max(end, reached)
        if end > i:
            longest = max(longest, end - i)
            covered += max(0, end - max(i, covered_to))
            covered_to = max(covered_to, end)
    return longest, covered


@compiled()
def _base64_end(data: Bytes, i: int, stop: int, classes: Flags) -> int:
    """Return where a run ends; of one that is too short, any place that no long run contains."""
    look = i + BASE64_LEAST - 1
    if look >= stop:
        return stop
    while look > i and classes[data[look]] & BASE64:
        look -= 1
    if look > i:
        return look
    end = i + BASE64_LEAST
    while end < stop and classes[data[end]] & BASE64:
        end += 1
    return end


@compiled()
def _boundary(data: Bytes, first: int, i: int, stop: int, classes: Flags) -> bool:
    before = i > first and classes[data[i - 1]] & WORD != 0
    after = i < stop and classes[data[i]] & WORD != 0
    return before != after


@compiled()
def _hex_end(data: Bytes, first: int, i: int, stop: int, classes: Flags) -> int:
    """Return where eight or more pairs of hexadecimal digits end that begin at i; i where none."""
    start = i
    pairs = 0
    while i < stop and _boundary(data, first, i, stop, classes):
        at = i
        if at + 1 < stop and (data[at] == 48 or data[at] == 92) and data[at + 1] == 120:
            at += 2
        if at + 1 >= stop or not (classes[data[at]] & classes[data[at + 1]] & HEX):
            break
        at += 2
        if at < stop and data[at] == 44:
            at += 1
        elif _boundary(data, first, at, stop, classes):
            while at < stop and classes[data[at]] & SPACE:
                at += 1
        else:
            break
        i = at
        pairs += 1
    return i if pairs >= REPEATS else start


@compiled()
def _escapes_end(data: Bytes, i: int, stop: int, classes: Flags) -> int:
    """Return where eight or more escapes of four digits end that begin at i; i where none do."""
    start = i
    while i + 5 < stop and data[i] == 92 and data[i + 1] == 117:
        if not (classes[data[i + 2]] & classes[data[i + 3]] & HEX):
            break
        if not (classes[data[i + 4]] & classes[data[i + 5]] & HEX):
            break
        i += 6
    return i if i - start >= 6 * REPEATS else start
