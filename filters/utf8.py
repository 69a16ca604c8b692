"""The UTF-8 of a column of texts, without a copy or with collapsed whitespace."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.prng.jit import compiled

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def text_bytes(texts: Any) -> tuple[Bytes, Offsets]:
    """Return the UTF-8 of all texts and their starts: text i is data[offsets[i]:offsets[i+1]].

    Args:
        texts: Arrow array or chunked array of strings [n]; null reads as empty.

    Returns:
        uint8 [bytes], a view of Arrow's buffer if there is no null; int64 [n + 1].
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
    """Return the texts with one space for each run of ASCII whitespace, and none at both ends."""
    lengths = np.empty(len(offsets) - 1, np.int64)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    used = _collapse(data, offsets, out, lengths)
    return out[:used], np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


WHITE = np.array([32 if byte == 32 or 9 <= byte <= 13 else byte for byte in range(256)], np.uint8)
"""Maps ASCII whitespace to a space, and every other byte to itself."""

IS_WHITE = (WHITE == 32).astype(np.uint8)


@compiled()
def _collapse(data: Bytes, offsets: Offsets, out: Bytes, lengths: Offsets) -> int:
    """Write collapsed texts to `out` and their lengths to `lengths`; return the bytes written."""
    # Unsigned indices and arithmetic in place of conditions are 2.5 times as fast. A space after a
    # space is written and then overwritten, because a branch would be mispredicted at every word.
    one = np.uint8(1)
    at = np.uint64(0)
    for document in range(len(lengths)):
        start = at
        after = one
        for i in range(np.uint64(offsets[document]), np.uint64(offsets[document + 1])):
            out[at] = WHITE[data[i]]
            white = IS_WHITE[data[i]]
            at += np.uint64(one - (white & after))
            after = white
        if after and at > start:
            at -= np.uint64(1)
        lengths[document] = at - start
    return int(at)
