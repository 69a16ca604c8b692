"""Byte-pair merging, compiled: the bytes of one pre-token become ids.

What `tokenizers` and GPT-2 do: of all neighboring pairs that can merge, the one of lowest rank
does, the leftmost first, until none can (Sennrich et al. 2016).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled

Ids = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

NONE = np.uint64(2**64 - 1)
"""What `found` returns for two ids that do not merge."""

SHORT = 48
"""Symbols up to which the lowest rank is looked for in a row; above that a heap keeps it. Measured
on random letters: a row is faster up to about here."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def merge_table(merges: Any) -> Words:
    """Return a table of merges for `found`.

    Args:
        merges: int64 [n, 3], left id, right id and new id of each merge, by rank; of two merges of
            the same pair the later one counts, as in `tokenizers`.

    Returns:
        uint64 [slots, 2], at most half full, slots a power of two: 0 or 1 + (left << 32 | right);
        rank << 32 | new id.
    """
    slots = 4
    while slots < 2 * len(merges):
        slots *= 2
    table = np.zeros((slots, 2), np.uint64)
    _fill(table, np.ascontiguousarray(merges, np.uint64).reshape(-1, 3))
    return table


@compiled()
def _slot(table: Words, key: np.uint64) -> np.uint64:
    mixed = key * _SPREAD
    return (mixed ^ (mixed >> np.uint64(32))) & np.uint64(len(table) - 1)


@compiled()
def _fill(table: Words, merges: Words) -> None:
    for rank in range(len(merges)):
        key = (merges[rank, 0] << np.uint64(32) | merges[rank, 1]) + np.uint64(1)
        slot = _slot(table, key)
        while table[slot, 0] != 0 and table[slot, 0] != key:
            slot = (slot + np.uint64(1)) & np.uint64(len(table) - 1)
        table[slot, 0] = key
        table[slot, 1] = np.uint64(rank) << np.uint64(32) | merges[rank, 2]


@compiled()
def found(table: Words, left: int, right: int) -> np.uint64:
    """Return rank << 32 | new id of the merge of two ids, or NONE."""
    key = (np.uint64(left) << np.uint64(32) | np.uint64(right)) + np.uint64(1)
    slot = _slot(table, key)
    while table[slot, 0] != key:
        if table[slot, 0] == 0:
            return NONE
        slot = (slot + np.uint64(1)) & np.uint64(len(table) - 1)
    return np.uint64(table[slot, 1])


@compiled()
def merge_short(table: Words, ids: Ids) -> int:
    """Merge ids in place and return how many are left, in count^2 steps."""
    count = len(ids)
    ranks = np.empty(count, np.uint64)
    for i in range(count - 1):
        ranks[i] = found(table, ids[i], ids[i + 1])
    while True:
        lowest, at = NONE, 0
        for i in range(count - 1):
            if ranks[i] < lowest:
                lowest, at = ranks[i], i
        if lowest == NONE:
            return count
        ids[at] = np.int32(lowest & np.uint64(0xFFFFFFFF))
        count -= 1
        for i in range(at + 1, count):
            ids[i] = ids[i + 1]
            ranks[i - 1] = ranks[i]
        if at > 0:
            ranks[at - 1] = found(table, ids[at - 1], ids[at])
        if at < count - 1:
            ranks[at] = found(table, ids[at], ids[at + 1])


@compiled()
def merge_long(table: Words, symbols: Ids) -> int:
    """Merge ids [count] in place and return how many are left, in count x log(count) steps.

    Positions of merged symbols become holes; `after` and `before` lead over them. The heap holds
    (rank, position); an entry is stale when the pair there has another rank by now.
    """
    count = len(symbols)
    after = np.arange(1, count + 1).astype(np.int32)
    before = np.arange(-1, count - 1).astype(np.int32)
    heap = np.empty(count + 1, np.uint64)
    size = 0
    for at in range(count - 1):
        heap, size = _pushed(heap, size, table, symbols, at, at + 1)
    while size:
        rank, at = heap[0] >> np.uint64(32), int(heap[0] & np.uint64(0xFFFFFFFF))
        size = _popped(heap, size)
        right = after[at]
        if symbols[at] < 0 or right >= count:
            continue
        merge = found(table, symbols[at], symbols[right])
        if merge == NONE or merge >> np.uint64(32) != rank:
            continue
        symbols[at] = np.int32(merge & np.uint64(0xFFFFFFFF))
        symbols[right] = -1
        after[at] = after[right]
        if after[at] < count:
            before[after[at]] = at
            heap, size = _pushed(heap, size, table, symbols, at, after[at])
        if before[at] >= 0:
            heap, size = _pushed(heap, size, table, symbols, before[at], at)
    left = 0
    for at in range(count):
        if symbols[at] >= 0:
            symbols[left] = symbols[at]
            left += 1
    return left


@compiled()
def _pushed(
    heap: Words, size: int, table: Words, symbols: Ids, left: int, right: int
) -> tuple[Words, int]:
    """Put the merge of two symbols, if there is one, on the heap; return the heap and its size."""
    merge = found(table, symbols[left], symbols[right])
    if merge == NONE:
        return heap, size
    if size == len(heap):
        larger = np.empty(2 * size, np.uint64)
        larger[:size] = heap
        heap = larger
    entry = merge >> np.uint64(32) << np.uint64(32) | np.uint64(left)
    at = size
    while at > 0 and heap[(at - 1) >> 1] > entry:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = entry
    return heap, size + 1


@compiled()
def _popped(heap: Words, size: int) -> int:
    """Take the lowest entry off the heap and return its size."""
    size -= 1
    entry, at = heap[size], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= entry:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = entry
    return size
