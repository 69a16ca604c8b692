"""The bytes of a column of texts, without a copy, and their whitespace collapsed."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def text_bytes(texts: Any) -> tuple[Bytes, Offsets]:
    """Return the UTF-8 of all texts and where each starts: text i is data[offsets[i]:offsets[i+1]].

    Args:
        texts: an Arrow array (or chunked array) of strings, n of them; null reads as empty.

    Returns:
        uint8 [bytes], a view of Arrow's own buffer where there is no null; int64 [n + 1].
    """
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if array.null_count:
        array = array.fill_null("")
    if array.type != pa.large_string():
        array = array.cast(pa.large_string())
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64, len(array) + 1, 8 * array.offset)
    return np.frombuffer(b"" if data is None else data, np.uint8), starts


def collapse_whitespace(data: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
    """Return the texts with each run of ASCII whitespace as one space, and none at either end."""
    lengths = np.empty(len(offsets) - 1, np.int64)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    used = _collapse(data, offsets, out, lengths)
    return out[:used], np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


WHITE = np.array([32 if byte == 32 or 9 <= byte <= 13 else byte for byte in range(256)], np.uint8)
"""Maps ASCII whitespace to a space, and every other byte to itself."""


@numba.njit(cache=True, nogil=True)
def _collapse(data: Bytes, offsets: Offsets, out: Bytes, lengths: Offsets) -> int:
    at = 0
    for document in range(len(lengths)):
        start = at
        last = np.uint8(32)
        for i in range(offsets[document], offsets[document + 1]):
            byte = WHITE[data[i]]
            # Written over where it is a space after a space: a branch would be guessed wrong.
            out[at] = byte
            at += (byte != 32) | (last != 32)
            last = byte
        at -= at > start and out[at - 1] == 32
        lengths[document] = at - start
    return at
