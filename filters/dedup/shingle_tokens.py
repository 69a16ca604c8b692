"""Texts as tokens between single spaces, compiled: a shingle is then a slice of bytes."""

import re
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled

SINGLE = frozenset({"[^A-Za-z_0-9]", r"\W"})
"""Separators that are exactly one character, whatever stands beside it."""

LONE = re.compile("[\u0130\u03a3]")
"""Characters whose lower case is two characters, or depends on what stands beside them."""

Table = npt.NDArray[np.uint32]


def spaced(texts: Any, separator: str, lower: bool, keep_empty: bool) -> tuple[Bytes, Offsets]:
    """Return the tokens of Arrow strings [n], as `re.split(separator, text)` gives them.

    Args:
        texts: null reads as empty.
        separator: regular expression; it matches a space.
        lower: whether texts are lower-cased first, as `str.lower` does.
        keep_empty: whether empty tokens stay; else there is no space at either end, and never two.

    Returns:
        uint8 [bytes], int64 [n + 1] as `filters.utf8.text_bytes`.
    """
    if separator not in SINGLE:
        texts, separator, lower = _rewritten(texts, separator, lower), "[ ]", False
    elif lower:
        texts = _without_lone(texts)
    data, offsets = text_bytes(texts)
    table = _table(separator, lower)
    size = int(offsets[-1] - offsets[0])
    # Two bytes of UTF-8 may become three in lower case, never more.
    out = np.empty(size + size // 2 if lower else size, np.uint8)
    starts = np.zeros(len(offsets), np.int64)
    _space(data, offsets, table, keep_empty, out, starts)
    return out[: starts[-1]], starts


def _rewritten(texts: Any, separator: str, lower: bool) -> Any:
    blank = re.compile(separator)
    plain = ((text or "").lower() if lower else text or "" for text in texts.to_pylist())
    return pa.array([blank.sub(" ", text) for text in plain], pa.large_string())


def _without_lone(texts: Any) -> Any:
    """Return texts that lower-case a character at a time to what the given ones do at once."""
    data, offsets = text_bytes(texts)
    found = np.zeros(len(offsets) - 1, np.bool_)
    _find_lone(data, offsets, found)
    if not found.any():
        return texts
    mask = pa.array(found)
    lowered = [text.as_py().lower() for text in texts.filter(mask)]
    return pc.replace_with_mask(texts, mask, pa.array(lowered, texts.type))


@lru_cache
def _table(separator: str, lower: bool) -> Table:
    """Return what becomes of each code point, uint32 [0x110000]: a space where it separates."""
    points = np.arange(0x110000, dtype="<u4")
    points = points[(points < 0xD800) | (points > 0xDFFF)]
    text = points.tobytes().decode("utf-32-le")
    if lower:
        text = LONE.sub("\0", text).lower()
    found = np.frombuffer(text.encode("utf-32-le"), "<u4").copy()
    for run in re.finditer(f"(?:{separator})+", text):
        found[run.start() : run.end()] = 32
    table = np.zeros(0x110000, np.uint32)
    table[points] = found
    return table


@compiled()
def _find_lone(data: Bytes, offsets: Offsets, found: npt.NDArray[np.bool_]) -> None:
    for document in range(len(found)):
        text = data[offsets[document] : offsets[document + 1]]
        # Most texts are ASCII; this loop is compiled to vectors.
        top = np.uint8(0)
        for byte in text:
            top = max(top, byte)
        if top < 0xC4:
            continue
        for i in range(len(text) - 1):
            pair = (text[i], text[i + 1])
            if pair in ((0xC4, 0xB0), (0xCE, 0xA3)):
                found[document] = True
                break


@compiled()
def _space(
    data: Bytes, offsets: Offsets, table: Table, keep_empty: bool, out: Bytes, starts: Offsets
) -> None:
    # Unsigned places, and numbers for conditions: two and a half times as fast. A space after a
    # space is written and then written over, for a branch would be guessed wrong at every token.
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
    """Return the code point of a character of two bytes or more, and where the next one is."""
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
    """Write a code point above 127, and return where its last byte lies."""
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
