"""How spans are cut and placed."""

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from objectives.tasks.spans import composition, place_spans

keys = st.integers(0, 2**64 - 1)


@given(st.integers(1, 300), st.data())
def test_cuts_leave_gaps(length, data):
    masked = data.draw(st.integers(1, length))
    count = data.draw(st.integers(1, min(masked, length - masked + 1)))
    cuts = cuts_of(length, masked, count, data.draw(keys))
    assert sum(size for _, size in cuts) == masked
    assert all(size >= 1 for _, size in cuts)
    assert cuts[0][0] >= 0
    assert cuts[-1][0] + cuts[-1][1] <= length
    for (start, size), (after, _) in pairwise(cuts):
        assert after > start + size


def cuts_of(length, masked, count, key):
    sizes, cuts = np.empty(count, np.int64), np.empty((count, 2), np.int64)
    composition(np.uint64(key), 0, masked, sizes)
    place_spans(np.uint64(key), count - 1, length, sizes, cuts)
    return list(map(tuple, cuts.tolist()))


def chi_square(seen, cases, total):
    expected = total / cases
    return sum((count - expected) ** 2 / expected for count in seen.values()) + expected * (
        cases - len(seen)
    )


def test_compositions_are_uniform():
    parts = np.empty(3, np.int64)
    seen: Counter[tuple[int, ...]] = Counter()
    for index in range(15_000):
        composition(np.uint64(11), 2 * index, 7, parts)
        seen[tuple(parts.tolist())] += 1
    assert all(sum(result) == 7 and min(result) > 0 for result in seen)
    assert chi_square(seen, 15, 15_000) < 36.1  # 99.9 % of 14 degrees of freedom


def test_positions_of_spans_are_uniform():
    """8 tokens, 4 of them masked in 2 spans: all 3 x 10 ways are equally likely."""
    ways = {
        bits
        for bits in combinations(range(8), 4)
        if sum(1 for i, b in enumerate(bits) if i == 0 or b > bits[i - 1] + 1) == 2
    }
    seen: Counter[tuple[int, ...]] = Counter()
    for key in range(30_000):
        cuts = cuts_of(8, 4, 2, key)
        seen[tuple(at for start, size in cuts for at in range(start, start + size))] += 1
    assert set(seen) == ways
    assert len(ways) == 30
    assert chi_square(seen, 30, 30_000) < 58.3  # 99.9 % of 29 degrees of freedom
