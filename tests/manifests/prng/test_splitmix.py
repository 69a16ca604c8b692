from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.prng.splitmix import Draws, below, derive, draw, mix, name_number, shuffled

keys = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("seed", "numbers"),
    [
        (  # the C reference, as listed by Rosetta Code, "Pseudo-random numbers/Splitmix64"
            1234567,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423,
                4593380528125082431,
                16408922859458223821,
            ],
        ),
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]),
    ],
)
def test_the_numbers_are_those_of_splitmix64(seed, numbers):
    assert [draw(seed, i) for i in range(len(numbers))] == numbers


def test_vectors_of_names_and_children():
    assert name_number("the-stack/python") == 0x01F152936EB4030D
    assert derive(0, 7, "the-stack/python", 3) == 0x5E979A5EBA5134EB
    assert list(shuffled(42, 8)) == [4, 1, 6, 2, 3, 0, 7, 5]


@given(keys, st.integers(0, 1000), st.integers(0, 1000))
def test_children_differ_from_each_other_and_from_numbers(key, one, other):
    assert derive(key, one) != draw(key, one)
    assert (derive(key, one) == derive(key, other)) == (one == other)
    assert derive(key, one, other) == derive(derive(key, one), other)


@given(keys, st.integers(1, 2**50))
def test_below_is_below(value, bound):
    assert 0 <= below(value, bound) < bound


@given(keys)
def test_draws_are_the_draws_of_the_key(key):
    draws = Draws(key)
    assert [draws.below(2**64) for _ in range(5)] == [draw(key, i) for i in range(5)]


@given(keys, st.integers(1, 300))
def test_shuffled_orders_the_numbers_of_the_key(key, count):
    expected = np.argsort(np.array([draw(key, i) for i in range(count)], np.uint64), kind="stable")
    assert np.array_equal(shuffled(key, count), expected)


@given(keys, st.integers(0, 30), st.integers(0, 40))
def test_a_subset_is_one(key, size, more):
    subset = Draws(key).subset(size, size + more)
    assert len(subset) == len(set(subset)) == size
    assert subset == sorted(subset)
    assert all(0 <= number < size + more for number in subset)


def test_all_subsets_are_equally_likely():
    draws = Draws(5)
    seen = Counter(tuple(draws.subset(3, 6)) for _ in range(20_000))
    assert set(seen) == set(combinations(range(6), 3))
    expected = 20_000 / 20
    chi_square = sum((count - expected) ** 2 / expected for count in seen.values())
    assert chi_square < 43.8  # 99.9 % of 19 degrees of freedom


def test_mix_is_a_bijection_on_a_sample():
    assert len({mix(value) for value in range(100_000)}) == 100_000
