"""XXH32 and XXH64 (Yann Collet's specification, version 0.1.1) over slices of a uint8 array.

Compiled, for callers that are compiled themselves; tested against the `xxhash` package.
"""

import numpy as np

from filters.utf8 import Bytes
from manifests.prng.jit import compiled

_P32 = tuple(
    np.uint32(prime) for prime in (2654435761, 2246822519, 3266489917, 668265263, 374761393)
)
_P64 = tuple(
    np.uint64(prime)
    for prime in (
        11400714785074694791,
        14029467366897019727,
        1609587929392839161,
        9650029242287828579,
        2870177450012600261,
    )
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


@compiled(inline=True)
def _rotate64(value: np.uint64, bits: int) -> np.uint64:
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@compiled(inline=True)
def _round64(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _rotate64(lane + word * _P64[1], 31) * _P64[0]


@compiled(inline=True)
def _merge64(value: np.uint64, lane: np.uint64) -> np.uint64:
    return (value ^ _round64(np.uint64(0), lane)) * _P64[0] + _P64[3]


@compiled(inline=True)
def _read64(data: Bytes, at: np.uint64) -> np.uint64:
    low, high = _read32(data, at), _read32(data, at + np.uint64(4))
    return np.uint64(low) | np.uint64(high) << np.uint64(32)


@compiled()
def xxh64(data: Bytes, start: int, stop: int, seed: int) -> np.uint64:
    """Return XXH64 of data[start:stop]."""
    at, end, seed64 = np.uint64(start), np.uint64(stop), np.uint64(seed)
    if end - at >= 32:
        v1 = seed64 + _P64[0] + _P64[1]
        v2 = seed64 + _P64[1]
        v3 = seed64
        v4 = seed64 - _P64[0]
        while end - at >= 32:
            v1 = _round64(v1, _read64(data, at))
            v2 = _round64(v2, _read64(data, at + np.uint64(8)))
            v3 = _round64(v3, _read64(data, at + np.uint64(16)))
            v4 = _round64(v4, _read64(data, at + np.uint64(24)))
            at += np.uint64(32)
        value = _rotate64(v1, 1) + _rotate64(v2, 7) + _rotate64(v3, 12) + _rotate64(v4, 18)
        value = _merge64(_merge64(_merge64(_merge64(value, v1), v2), v3), v4)
    else:
        value = seed64 + _P64[4]
    value += np.uint64(stop - start)
    while end - at >= 8:
        value = _rotate64(value ^ _round64(np.uint64(0), _read64(data, at)), 27)
        value = value * _P64[0] + _P64[3]
        at += np.uint64(8)
    if end - at >= 4:
        value = _rotate64(value ^ np.uint64(_read32(data, at)) * _P64[0], 23)
        value = value * _P64[1] + _P64[2]
        at += np.uint64(4)
    while at < end:
        value = _rotate64(value ^ np.uint64(data[at]) * _P64[4], 11) * _P64[0]
        at += np.uint64(1)
    value = (value ^ (value >> np.uint64(33))) * _P64[1]
    value = (value ^ (value >> np.uint64(29))) * _P64[2]
    return value ^ (value >> np.uint64(32))
