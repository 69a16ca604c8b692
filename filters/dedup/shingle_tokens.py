"""Texts to tokens joined by single spaces, so that a shingle is a slice of bytes.

Arrow's regular expressions (RE2) treat all non-ASCII characters as separators; Python's do not.
"""

import re
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled

ONE_CHARACTER = frozenset({"[^A-Za-z_0-9]", r"\W"})
"""Separators that always match exactly one character. Other separators go through `re`."""

SPECIAL_CASING = re.compile("[\u0130\u03a3]")
"""Characters whose lower case has two characters (U+0130) or depends on its neighbors (U+03A3)."""

Table = npt.NDArray[np.uint32]


def join_tokens(texts: Any, separator: str, lower: bool, keep_empty: bool) -> tuple[Bytes, Offsets]:
    """Return the tokens that `re.split(separator, text)` gives, joined by single spaces.

    Args:
        texts: Arrow strings [n]; null is read as empty.
        separator: regular expression that matches a space.
        lower: whether texts are lower-cased first, as by `str.lower`.
        keep_empty: whether empty tokens are kept. Otherwise there is no space at either end, and
            there are never two spaces in a row.

    Returns:
        uint8 [bytes] and int64 [n + 1], as `filters.utf8.text_bytes`.
    """
    if separator not in ONE_CHARACTER:
        texts, separator, lower = _split_by_re(texts, separator, lower), "[ ]", False
    elif lower:
        texts = _lower_special_casing(texts)
    data, offsets = text_bytes(texts)
    table = _table(separator, lower)
    size = int(offsets[-1] - offsets[0])
    # Two bytes of UTF-8 become at most three in lower case.
    out = np.empty(size + size // 2 if lower else size, np.uint8)
    starts = np.zeros(len(offsets), np.int64)
    _join(data, offsets, table, keep_empty, out, starts)
    return out[: starts[-1]], starts


def _split_by_re(texts: Any, separator: str, lower: bool) -> Any:
    """Return texts with each match of `separator` replaced by a space."""
    blank = re.compile(separator)
    plain = ((text or "").lower() if lower else text or "" for text in texts.to_pylist())
    return pa.array([blank.sub(" ", text) for text in plain], pa.large_string())


def _lower_special_casing(texts: Any) -> Any:
    """Return texts with those lower-cased that cannot be lower-cased character by character."""
    data, offsets = text_bytes(texts)
    special = np.zeros(len(offsets) - 1, np.bool_)
    _find_special_casing(data, offsets, special)
    if not special.any():
        return texts
    mask = pa.array(special)
    lowered = [text.as_py().lower() for text in texts.filter(mask)]
    return pc.replace_with_mask(texts, mask, pa.array(lowered, texts.type))


@lru_cache
def _table(separator: str, lower: bool) -> Table:
    """Return the code point that replaces each code point, uint32 [0x110000].

    A separator is replaced by a space.
    """
    points = np.arange(0x110000, dtype="<u4")
    points = points[(points < 0xD800) | (points > 0xDFFF)]
    text = points.tobytes().decode("utf-32-le")
    if lower:
        text = SPECIAL_CASING.sub("\0", text).lower()
    replacements = np.frombuffer(text.encode("utf-32-le"), "<u4").copy()
    for run in re.finditer(f"(?:{separator})+", text):
        replacements[run.start() : run.end()] = 32
    table = np.zeros(0x110000, np.uint32)
    table[points] = replacements
    return table


@compiled()
def _find_special_casing(data: Bytes, offsets: Offsets, special: npt.NDArray[np.bool_]) -> None:
    """Mark the documents that hold a character of SPECIAL_CASING (UTF-8: C4 B0, CE A3)."""
    for document in range(len(special)):
        text = data[offsets[document] : offsets[document + 1]]
        # Most texts are ASCII. The compiler vectorizes this loop.
        top = np.uint8(0)
        for byte in text:
            top = max(top, byte)
        if top < 0xC4:
            continue
        for i in range(len(text) - 1):
            pair = (text[i], text[i + 1])
            if pair in ((0xC4, 0xB0), (0xCE, 0xA3)):
                special[document] = True
                break


@compiled()
def _join(
    data: Bytes, offsets: Offsets, table: Table, keep_empty: bool, out: Bytes, starts: Offsets
) -> None:
    """Write the tokens of each document to `out`, and the start of each document to `starts`."""
    # Unsigned indexes, and numbers instead of conditions, make this loop 2.5 times as fast. A space
    # after a space is written and then overwritten: a branch would be mispredicted at every token.
    letters = table[:128].astype(np.uint8)
    blank = (letters == 32).astype(np.uint8)
    collapse = np.uint8(not keep_empty)
    one = np.uint8(1)
    at = np.uint64(0)
    for document in range(len(starts) - 1):
        first = at
        i, stop = np.uint64(offsets[document]), np.uint64(offsets[document + 1])
        after = collapse
        while i < stop:
            if data[i] < 128:
                out[at] = letters[data[i]]
                white = blank[data[i]]
                i += np.uint64(1)
            else:
                point, i = _decoded(data, i)
                point = table[point]
                white = np.uint8(point == 32)
                if point < 128:
                    out[at] = point
                else:
                    at = _encode(point, out, at)
            at += np.uint64(one - (white & after))
            after = white & collapse
        if after and at > first:
            at -= np.uint64(1)
        starts[document + 1] = at


@compiled(inline=True)
def _decoded(data: Bytes, i: np.uint64) -> tuple[np.uint32, np.uint64]:
    """Return the code point of a character of two to four bytes, and the index of the next one."""
    byte = np.uint32(data[i])
    second = np.uint32(data[i + np.uint64(1)] & 0x3F)
    if byte < 0xE0:
        return np.uint32((byte & 0x1F) << 6 | second), i + np.uint64(2)
    third = np.uint32(data[i + np.uint64(2)] & 0x3F)
    point = np.uint32((byte & 0x0F) << 12 | second << 6 | third)
    if byte < 0xF0:
        return point, i + np.uint64(3)
    return np.uint32(point << 6 | (data[i + np.uint64(3)] & 0x3F)), i + np.uint64(4)


@compiled(inline=True)
def _encode(point: np.uint32, out: Bytes, at: np.uint64) -> np.uint64:
    """Write a code point above 127 as UTF-8, and return the index of its last byte."""
    one = np.uint64(1)
    if point < 0x800:
        out[at] = 0xC0 | point >> 6
    else:
        if point < 0x10000:
            out[at] = 0xE0 | point >> 12
        else:
            out[at] = 0xF0 | point >> 18
            at += one
            out[at] = 0x80 | (point >> 12 & 0x3F)
        at += one
        out[at] = 0x80 | (point >> 6 & 0x3F)
    at += one
    out[at] = 0x80 | (point & 0x3F)
    return at
