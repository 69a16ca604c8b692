"""The keyed permutation: its laws, known values, and its equality with plain Python."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.prng.permutation import permute
from tests.objectives.stream import plain_order

keys = st.integers(0, 2**64 - 1).map(np.uint64)


@given(st.data(), st.one_of(st.integers(1, 300), st.integers(1, 2**50)), keys)
def test_permute_equals_plain_python(data, count, key):
    index = data.draw(st.integers(0, count - 1))
    expected = plain_order.permute(index, count, int(key))
    assert permute(index, count, key) == expected


@given(st.integers(1, 400), keys)
def test_permute_is_a_permutation(count, key):
    assert sorted(permute(i, count, key) for i in range(count)) == list(range(count))


def test_permute_has_known_values():
    assert [permute(i, 10, np.uint64(1)) for i in range(10)] == [6, 2, 8, 1, 5, 7, 9, 0, 3, 4]


def test_permute_is_uniform_over_keys():
    """Every ordering of 4 comes up equally often, and so does every image of one index of 100."""
    seeds = [[np.uint64(plain_order.derive(s, key)) for key in range(10_000)] for s in (3, 4)]
    orderings = Counter(tuple(permute(i, 4, key) for i in range(4)) for key in seeds[0][:9600])
    assert len(orderings) == 24
    assert sum((count - 400) ** 2 / 400 for count in orderings.values()) < 49.7  # 99.9 %, 23
    images = Counter(permute(17, 100, key) for key in seeds[1])
    assert sum((images[i] - 100) ** 2 / 100 for i in range(100)) < 148.3  # 99.9 %, 99
