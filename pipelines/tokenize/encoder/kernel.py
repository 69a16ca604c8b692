"""A batch of texts to ids, compiled: added tokens, pre-tokens, the cache, merging."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from pipelines.tokenize.encoder.cache import LONGEST, Cache, hash_of, insert, lookup
from pipelines.tokenize.encoder.merging import SHORT, Ids, Words, merge_long, merge_short
from pipelines.tokenize.encoder.pre_tokens import Bytes, pre_token_end

Offsets = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.uint32]


class Tables(NamedTuple):
    """What the kernel knows of a tokenizer."""

    classes: Bytes
    """[0x110000], see pre_tokens.classes."""
    trie: Ids
    """[nodes, 256], the added tokens by their bytes: the next node, 0 where there is none."""
    ends: Ids
    """[nodes], the id of the added token that ends at a node, or -1."""
    symbols: Ids
    """[256], the id of each byte."""
    merges: Words
    """See merging.merge_table."""


@compiled()
def encode(data: Bytes, offsets: Offsets, tables: Tables, cache: Cache, ids: Tokens) -> Offsets:
    """Fill `ids` with those of n texts, and return int64 [n + 1], where each text's start.

    Args:
        data: valid UTF-8, and PADDING bytes more.
        offsets: int64 [n + 1].
        tables: of the tokenizer.
        cache: kept between calls.
        ids: as long as all texts in bytes.
    """
    # Arrays of their own: what is taken out of a tuple in the loop is counted each time.
    classes, trie, ends = tables.classes, tables.trie, tables.ends
    table, pool = cache.table, cache.pool
    starts = np.zeros(len(offsets), np.int64)
    count = np.int64(0)
    for text in range(len(offsets) - 1):
        at, stop = np.uint64(offsets[text]), np.uint64(offsets[text + 1])
        while at < stop:
            until, after, added = _added_token(data, at, stop, trie, ends)
            while at < until:
                start, at = at, pre_token_end(data, at, until, classes)
                if at - start > np.uint64(LONGEST):
                    count += _merged_long(data, start, at, tables, ids, count)
                    continue
                key = hash_of(data, start, at)
                place = lookup(table, pool, data, start, at, key)
                if place == 0:
                    place = _merged(data, start, at, tables, cache, key)
                count += _copied(pool, place, at - start, ids, count)
            if added >= 0:
                ids[count] = added
                count += 1
            at = after
        starts[text + 1] = count
    return starts


@compiled()
def _added_token(
    data: Bytes, at: np.uint64, stop: np.uint64, trie: Ids, ends: Ids
) -> tuple[np.uint64, np.uint64, int]:
    """Return start, end and id of the first added token, the longest there; id -1 for none."""
    while at < stop:
        node = trie[0, data[at]]
        if node:
            end, found, after = at + np.uint64(1), ends[node], at + np.uint64(1)
            while end < stop:
                node = trie[node, data[end]]
                if node == 0:
                    break
                end += np.uint64(1)
                if ends[node] >= 0:
                    found, after = ends[node], end
            if found >= 0:
                return at, after, found
        at += np.uint64(1)
    return stop, stop, -1


@compiled()
def _copied(
    pool: Words, place: np.uint64, size: np.uint64, ids: Tokens, count: np.int64
) -> np.int64:
    """Write the ids of a record of `size` bytes at ids[count:], and return how many there are."""
    record = pool[place]
    ids[count] = np.uint32(record >> np.uint64(32))
    number = np.int64(record >> np.uint64(16) & np.uint64(0xFFFF))
    if number > 1:
        place += (size + np.uint64(7)) >> np.uint64(3)
        for i in range(1, number):
            ids[count + i] = np.uint32(pool[place + np.uint64(i)])
    return number


@compiled()
def _merged(
    data: Bytes,
    start: np.uint64,
    stop: np.uint64,
    tables: Tables,
    cache: Cache,
    key: np.uint64,
) -> np.uint64:
    """Merge a pre-token not met before, keep it, and return the place of its record."""
    symbols = _symbols(data, start, stop, tables.symbols)
    if len(symbols) <= SHORT:
        number = merge_short(tables.merges, symbols)
    else:
        number = merge_long(tables.merges, symbols)
    return insert(cache, data, start, stop, key, symbols[:number])


@compiled()
def _merged_long(
    data: Bytes, start: np.uint64, stop: np.uint64, tables: Tables, ids: Tokens, count: np.int64
) -> int:
    """Merge a pre-token too long to be kept, write its ids at ids[count:]; return their number."""
    symbols = _symbols(data, start, stop, tables.symbols)
    number = merge_long(tables.merges, symbols)
    for i in range(number):
        ids[count + i] = symbols[i]
    return number


@compiled()
def _symbols(data: Bytes, start: np.uint64, stop: np.uint64, known: Ids) -> Ids:
    """Return the ids of the bytes of a pre-token."""
    symbols = np.empty(stop - start, np.int32)
    for i in range(len(symbols)):
        symbols[i] = known[data[start + np.uint64(i)]]
    return symbols
