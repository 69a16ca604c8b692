"""Merging: the lowest rank first, the leftmost of equals, short and long in the same way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tokenize.encoder.merging import NONE, found, merge_long, merge_short, merge_table

LETTERS = 3


def naive(merges: list[tuple[int, int, int]], ids: list[int]) -> list[int]:
    """The definition."""
    ranks = {(left, right): (rank, new) for rank, (left, right, new) in enumerate(merges)}
    while True:
        pairs = [
            (*ranks[pair], at)
            for at in range(len(ids) - 1)
            if (pair := (ids[at], ids[at + 1])) in ranks
        ]
        if not pairs:
            return ids
        _, new, at = min(pairs, key=lambda found: (found[0], found[2]))
        ids = [*ids[:at], new, *ids[at + 2 :]]


@st.composite
def vocabularies(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Merges over letters and what was merged before, each once."""
    merges: dict[tuple[int, int], int] = {}
    for _ in range(draw(st.integers(0, 12))):
        known = LETTERS + len(merges)
        pair = draw(st.tuples(st.integers(0, known - 1), st.integers(0, known - 1)))
        merges.setdefault(pair, known)
    order = draw(st.permutations(list(merges)))
    return [(*pair, merges[pair]) for pair in order]


@given(vocabularies(), st.lists(st.integers(0, LETTERS - 1), min_size=1, max_size=60))
def test_short_and_long_merge_as_defined(merges, ids):
    table = merge_table(np.array(merges, np.uint64).reshape(-1, 3))
    expected = naive(merges, ids)
    for merge in (merge_short, merge_long):
        symbols = np.array(ids, np.int32)
        assert symbols[: merge(table, symbols)].tolist() == expected


def test_every_merge_is_found_and_no_other():
    generator = np.random.default_rng(0)
    pairs = np.unique(generator.integers(0, 300, (2000, 2)), axis=0)
    merges = np.column_stack([pairs, np.arange(len(pairs)) + 1000])
    table = merge_table(merges)
    known = {(left, right): (rank, new) for rank, (left, right, new) in enumerate(merges.tolist())}
    for left in range(0, 300, 7):
        for right in range(300):
            value = found(table, left, right)
            if (left, right) in known:
                assert (int(value) >> 32, int(value) & 0xFFFFFFFF) == known[left, right]
            else:
                assert value == NONE


def test_of_two_merges_of_a_pair_the_later_counts():
    table = merge_table(np.array([[0, 1, 5], [1, 1, 6], [0, 1, 7]]))
    assert int(found(table, 0, 1)) == 2 << 32 | 7


def test_a_heap_may_grow():
    # Every merge makes two more that are possible.
    merges = [(0, 0, 1), (1, 1, 2), (1, 0, 3), (0, 1, 4), (2, 2, 5), (2, 1, 6), (1, 2, 7)]
    table = merge_table(np.array(merges))
    ids = [0] * 1001
    symbols = np.array(ids, np.int32)
    assert symbols[: merge_long(table, symbols)].tolist() == naive(merges, ids)
