"""The pre-tokens met before, and their ids: a hash table of bounded size, compiled.

A record of the pool is 1 + ceil(bytes / 8) + ids - 1 words: bytes | ids << 16 | first id << 32,
the bytes with zeros behind them, the other ids. When the table or the pool is full all is
forgotten: what is frequent is back soon.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from pipelines.tokenize.encoder.pre_tokens import Bytes

Words = npt.NDArray[np.uint64]

LONGEST = 256
"""Bytes of a pre-token that is kept, at most: longer ones seldom come twice."""

SLOTS = 1 << 20
"""Of the table, half of them used at most: 8 MB."""

POOL = 1 << 21
"""Words of the pool: 16 MB, about four for each pre-token."""

_ONE = np.uint64(1)
_EIGHT = np.uint64(8)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_PRIME = np.uint64(0x9E3779B97F4A7C15)


class Cache(NamedTuple):
    """What is kept between batches, changed in place."""

    table: Words
    """[slots], a power of two: 0, or hash bits << 32 | place in the pool."""
    pool: Words
    """[words]; word 0 is not used."""
    used: npt.NDArray[np.int64]
    """[2]: entries of the table, words of the pool."""


def make_cache(slots: int = SLOTS, words: int = POOL) -> Cache:
    """Return an empty cache."""
    return Cache(np.zeros(slots, np.uint64), np.empty(words, np.uint64), np.array([0, 1]))


@compiled()
def word_at(data: Bytes, at: np.uint64) -> np.uint64:
    """Return 8 bytes as a number: the compiler makes one load of it."""
    return (
        np.uint64(data[at])
        | np.uint64(data[at + _ONE]) << _EIGHT
        | np.uint64(data[at + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[at + np.uint64(3)]) << np.uint64(24)
        | np.uint64(data[at + np.uint64(4)]) << _HALF
        | np.uint64(data[at + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[at + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[at + np.uint64(7)]) << np.uint64(56)
    )


@compiled()
def _last_word(data: Bytes, at: np.uint64, size: np.uint64) -> np.uint64:
    """Return the first 1 to 8 bytes at a place as a number."""
    return word_at(data, at) & (~np.uint64(0) >> (np.uint64(64) - _EIGHT * size))


@compiled()
def hash_of(data: Bytes, start: np.uint64, stop: np.uint64) -> np.uint64:
    """Return a hash of data[start:stop], not empty; zeros at the end do not change it."""
    value = np.uint64(0)
    while stop - start > _EIGHT:
        value = (value ^ word_at(data, start)) * _PRIME
        value ^= value >> _HALF
        start += _EIGHT
    value = (value ^ _last_word(data, start, stop - start)) * _PRIME
    return value ^ (value >> _HALF)


@compiled()
def lookup(
    table: Words, pool: Words, data: Bytes, start: np.uint64, stop: np.uint64, key: np.uint64
) -> np.uint64:
    """Return the place in the pool of the record of data[start:stop]; 0 where there is none."""
    slot = key & np.uint64(len(table) - 1)
    while table[slot] != 0:
        entry = table[slot]
        place = entry & _LOW
        same = entry >> _HALF == key >> _HALF
        if same and pool[place] & np.uint64(0xFFFF) == stop - start:
            at, word = start, place + _ONE
            while stop - at > _EIGHT and pool[word] == word_at(data, at):
                at += _EIGHT
                word += _ONE
            if stop - at <= _EIGHT and pool[word] == _last_word(data, at, stop - at):
                return np.uint64(place)
        slot = (slot + _ONE) & np.uint64(len(table) - 1)
    return np.uint64(0)


@compiled()
def insert(
    cache: Cache,
    data: Bytes,
    start: np.uint64,
    stop: np.uint64,
    key: np.uint64,
    ids: npt.NDArray[np.int32],
) -> np.uint64:
    """Keep the ids of data[start:stop], which is not there yet; return its place in the pool."""
    table, pool, used = cache.table, cache.pool, cache.used
    count = len(ids)
    if 2 * used[0] >= len(table) or used[1] + LONGEST // 8 + 1 + count > len(pool):
        table[:] = 0
        used[0], used[1] = 0, 1
    slot = key & np.uint64(len(table) - 1)
    while table[slot] != 0:
        slot = (slot + _ONE) & np.uint64(len(table) - 1)
    record = np.uint64(used[1])
    table[slot] = key >> _HALF << _HALF | record
    first = np.uint64(ids[0]) << _HALF
    pool[record] = (stop - start) | np.uint64(count) << np.uint64(16) | first
    place = record + _ONE
    while stop - start > _EIGHT:
        pool[place] = word_at(data, start)
        place += _ONE
        start += _EIGHT
    pool[place] = _last_word(data, start, stop - start)
    for i in range(1, count):
        pool[place + np.uint64(i)] = np.uint64(ids[i])
    used[0] += 1
    used[1] = place + np.uint64(count)
    return record
