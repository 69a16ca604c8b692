r"""Base64, hexadecimal and escaped data in source code.

StarCoder2 (arXiv 2402.19173, section 3.1) searches for three patterns:

    base64       [a-zA-Z0-9+/\n=]{64,}
    hexadecimal  (?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}
    Unicode      (?:\\u[0-9a-fA-F]{4}){8,}

and drops a file if one match is longer than 1024 characters or if half of the file matches. This
module compiles the same patterns with ASCII's word characters and whitespace. Overlapping matches
of different patterns count once.
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

MIN_BASE64 = 64
"""Characters of the shortest match of base64."""

MIN_REPEATS = 8
"""Pairs of hexadecimal digits, or escapes, of the shortest match."""

BASE64, WORD, HEX, SPACE, ESCAPE = 1, 2, 4, 8, 16
"""Bits of a byte's classes."""


def _classes(byte: int) -> int:
    """Return the classes of a byte, as bits."""
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


class EncodedData(NamedTuple):
    """Matches in n texts, int64 [n] each.

    Attributes:
        longest: bytes of the longest match.
        covered: bytes that all matches cover.
    """

    longest: Integers
    covered: Integers


def encoded_data(batch: Batch) -> EncodedData:
    """Search a batch for encoded data. Scores call `batch.once(encoded_data)`."""
    data, offsets = text_bytes(batch.texts)
    matches = EncodedData(*(np.zeros(len(offsets) - 1, np.int64) for _ in range(2)))
    _find(data, offsets, CLASSES, *matches)
    return matches


def encoded_run(batch: Batch) -> Scores:
    """Score: bytes of the longest match. Default: at most 1024 (see above)."""
    return batch.once(encoded_data).longest.astype(np.float64)


def encoded_share(batch: Batch) -> Scores:
    """Score: share of the bytes that match. Default: at most 0.5 (see above)."""
    _, offsets = text_bytes(batch.texts)
    return batch.once(encoded_data).covered / np.maximum(np.diff(offsets), 1)


@compiled()
def _find(
    data: Bytes, offsets: Offsets, classes: Flags, longest: Integers, covered: Integers
) -> None:
    """Fill the arrays of EncodedData."""
    for document in range(len(longest)):
        first, stop = offsets[document], offsets[document + 1]
        if _may_match(data, first, stop, classes):
            longest[document], covered[document] = _measure(data, first, stop, classes)


@compiled()
def _may_match(data: Bytes, first: int, stop: int, classes: Flags) -> bool:
    r"""Return whether a document may hold a match. Few documents do, so `_measure` is seldom run.

    Every pair of a hexadecimal match ends before a character that is not of a word. Before every
    pair but the first stands a separator that may follow a pair. Every "\u" counts as an escape.
    """
    i = first
    while i < stop:
        end = _base64_end(data, i, stop, classes)
        if end - i >= MIN_BASE64:
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
    # Two fewer: the first pair has no separator before it, and the last may end the text.
    return most >= MIN_REPEATS - 2 or escapes >= MIN_REPEATS


@compiled()
def _follows(data: Bytes, first: int, pair: int, classes: Flags) -> bool:
    """Return whether another pair of digits may end right before the pair at `pair`."""
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
    """Return the bytes of a document's longest match and the bytes that all matches cover."""
    longest = covered = 0
    base64 = hexadecimal = escaped = covered_to = first
    kinds = np.uint8(0)
    for i in range(first, stop):
        end = i
        before = kinds
        kinds = classes[data[i]]
        if i >= base64 and kinds & BASE64:
            base64 = _base64_end(data, i, stop, classes)
            if base64 - i >= MIN_BASE64:
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
    """Return the end of a run of base64, or for a short run any place that no match contains."""
    look = i + MIN_BASE64 - 1
    if look >= stop:
        return stop
    while look > i and classes[data[look]] & BASE64:
        look -= 1
    if look > i:
        return look
    end = i + MIN_BASE64
    while end < stop and classes[data[end]] & BASE64:
        end += 1
    return end


@compiled()
def _boundary(data: Bytes, first: int, i: int, stop: int, classes: Flags) -> bool:
    r"""Return whether i is a boundary of a word, as `\b`."""
    before = i > first and classes[data[i - 1]] & WORD != 0
    after = i < stop and classes[data[i]] & WORD != 0
    return before != after


@compiled()
def _hex_end(data: Bytes, first: int, i: int, stop: int, classes: Flags) -> int:
    """Return the end of a hexadecimal match that begins at i, or i if there is no match."""
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
    return i if pairs >= MIN_REPEATS else start


@compiled()
def _escapes_end(data: Bytes, i: int, stop: int, classes: Flags) -> int:
    """Return the end of a match of escapes that begins at i, or i if there is no match."""
    start = i
    while i + 5 < stop and data[i] == 92 and data[i + 1] == 117:
        if not (classes[data[i + 2]] & classes[data[i + 3]] & HEX):
            break
        if not (classes[data[i + 4]] & classes[data[i + 5]] & HEX):
            break
        i += 6
    return i if i - start >= 6 * MIN_REPEATS else start
