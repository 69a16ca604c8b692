"""The bytes of a column of texts, without a copy, and the two kernels that rewrite them."""

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


def blank_separators(data: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
    """Return the texts with every character outside [A-Za-z_0-9] as one space.

    The words of a text are then what lies between its spaces, empty ones included:
    `re.split("[^A-Za-z_0-9]", text)`.
    """
    lengths = np.empty(len(offsets) - 1, np.int64)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    used = _blank(data, offsets, out, lengths)
    return out[:used], np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


@numba.njit(cache=True, nogil=True)
def _collapse(data: Bytes, offsets: Offsets, out: Bytes, lengths: Offsets) -> int:
    at = 0
    for document in range(len(lengths)):
        start = at
        pending = False
        for i in range(offsets[document], offsets[document + 1]):
            byte = data[i]
            if byte == 32 or 9 <= byte <= 13:
                pending = at > start
            else:
                if pending:
                    out[at] = 32
                    at += 1
                    pending = False
                out[at] = byte
                at += 1
        lengths[document] = at - start
    return at


def _blanked(byte: int) -> int:
    if byte < 128 and (chr(byte).isalnum() or chr(byte) == "_"):
        return byte
    return 0 if byte & 0xC0 == 0x80 else 32


BLANKED = np.array([_blanked(byte) for byte in range(256)], np.uint8)
"""Maps a byte to itself in [A-Za-z_0-9], to a space at a character's start, to 0 inside one."""


@numba.njit(cache=True, nogil=True)
def _blank(data: Bytes, offsets: Offsets, out: Bytes, lengths: Offsets) -> int:
    at = 0
    for document in range(len(lengths)):
        start = at
        for i in range(offsets[document], offsets[document + 1]):
            byte = BLANKED[data[i]]
            out[at] = byte
            at += byte != 0
        lengths[document] = at - start
    return at
