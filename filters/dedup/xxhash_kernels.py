"""XXH32 (Yann Collet's specification, version 0.1.1) over slices of a uint8 array.

The `xxhash` package cannot be called from compiled code; the tests compare both.
"""

import numpy as np

from filters.utf8 import Bytes
from manifests.prng.jit import compiled

_P32 = tuple(
    np.uint32(prime) for prime in (2654435761, 2246822519, 3266489917, 668265263, 374761393)
)


@compiled(inline=True)
def _rotate32(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32(np.uint32(value << bits) | np.uint32(value >> (32 - bits)))


@compiled(inline=True)
def _read32(data: Bytes, at: np.uint64) -> np.uint32:
    low = np.uint32(data[at]) | np.uint32(data[at + np.uint64(1)]) << 8
    high = np.uint32(data[at + np.uint64(2)]) << 16 | np.uint32(data[at + np.uint64(3)]) << 24
    return np.uint32(low | high)


@compiled(inline=True)
def _round32(lane: np.uint32, word: np.uint32) -> np.uint32:
    return np.uint32(_rotate32(np.uint32(lane + word * _P32[1]), 13) * _P32[0])


@compiled()
def xxh32(data: Bytes, start: int, stop: int) -> np.uint32:
    """Return XXH32, seed 0, of data[start:stop]."""
    at, end = np.uint64(start), np.uint64(stop)
    four = np.uint64(4)
    if end - at >= 16:
        v1 = np.uint32(_P32[0] + _P32[1])
        v2 = _P32[1]
        v3 = np.uint32(0)
        v4 = np.uint32(np.uint32(0) - _P32[0])
        while end - at >= 16:
            v1 = _round32(v1, _read32(data, at))
            v2 = _round32(v2, _read32(data, at + four))
            v3 = _round32(v3, _read32(data, at + np.uint64(8)))
            v4 = _round32(v4, _read32(data, at + np.uint64(12)))
            at += np.uint64(16)
        value = np.uint32(
            _rotate32(v1, 1) + _rotate32(v2, 7) + _rotate32(v3, 12) + _rotate32(v4, 18)
        )
    else:
        value = _P32[4]
    value = np.uint32(value + np.uint32(stop - start))
    while end - at >= 4:
        value = np.uint32(value + _read32(data, at) * _P32[2])
        value = np.uint32(_rotate32(value, 17) * _P32[3])
        at += four
    while at < end:
        value = np.uint32(value + data[at] * _P32[4])
        value = np.uint32(_rotate32(value, 11) * _P32[0])
        at += np.uint64(1)
    value = np.uint32((value ^ (value >> 15)) * _P32[1])
    value = np.uint32((value ^ (value >> 13)) * _P32[2])
    return np.uint32(value ^ (value >> 16))
