"""Counter-based numbers: published vectors, the plain oracle, and uniform subsets."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.prng import splitmix
from manifests.prng.splitmix import derive_key, name_number, shuffled
from tests.manifests.prng import plain_splitmix
from tests.manifests.prng.plain_splitmix import Draws

KEYS = st.integers(0, 2**64 - 1)
NUMBERS = st.integers(0, 2**60)


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
    assert [int(splitmix.draw(np.uint64(seed), i)) for i in range(len(numbers))] == numbers


def test_vectors_of_names_and_children():
    assert name_number("the-stack/python") == 0x01F152936EB4030D
    assert derive_key(0, 7, "the-stack/python", 3) == 0x5E979A5EBA5134EB
    assert list(shuffled(42, 8)) == [4, 1, 6, 2, 3, 0, 7, 5]


@given(KEYS, NUMBERS)
def test_numbers_and_children_are_those_of_the_plain_version(key, number):
    assert int(splitmix.mix(np.uint64(key))) == plain_splitmix.mix(key)
    assert int(splitmix.draw(np.uint64(key), number)) == plain_splitmix.draw(key, number)
    assert int(splitmix.derive(np.uint64(key), number)) == plain_splitmix.derive(key, number)


@given(KEYS, st.lists(KEYS, max_size=3))
def test_keys_are_derived_part_by_part(key, parts):
    expected = key
    for part in parts:
        expected = plain_splitmix.derive(expected, part)
    assert derive_key(key, *parts) == expected


@given(KEYS, st.integers(0, 1000), st.integers(0, 1000))
def test_children_differ_from_each_other_and_from_numbers(key, one, other):
    assert derive_key(key, one) != plain_splitmix.draw(key, one)
    assert (derive_key(key, one) == derive_key(key, other)) == (one == other)


@given(KEYS, st.integers(1, 2**62))
def test_bounds_are_those_of_the_plain_version(value, bound):
    number = splitmix.below(np.uint64(value), bound)
    assert number == plain_splitmix.below(value, bound)
    assert 0 <= number < bound


@given(KEYS, st.integers(1, 300))
def test_shuffled_is_the_order_of_the_numbers_of_the_key(key, count):
    numbers = np.array([plain_splitmix.draw(key, i) for i in range(count)], np.uint64)
    assert np.array_equal(shuffled(key, count), np.argsort(numbers, kind="stable"))


@given(KEYS, st.integers(0, 80), st.integers(0, 40) | st.integers(0, 9000), st.integers(0, 5))
def test_subsets_are_those_of_the_plain_version(key, size, more, skipped):
    draws = Draws(key)
    for _ in range(skipped):
        draws.below(7)
    chosen = np.full(size + 2, -1)
    splitmix.subset(np.uint64(key), skipped, size, size + more, chosen)
    subset = chosen[:size].tolist()
    assert subset == draws.subset(size, size + more) == sorted(set(subset))
    assert (chosen[size:] == -1).all()
    assert all(0 <= number < size + more for number in subset)


def test_all_subsets_are_equally_likely():
    chosen = np.zeros(3, np.int64)
    counts: Counter[tuple[int, ...]] = Counter()
    for index in range(0, 60_000, 3):
        splitmix.subset(np.uint64(5), index, 3, 6, chosen)
        counts[tuple(chosen.tolist())] += 1
    assert set(counts) == set(combinations(range(6), 3))
    expected = 20_000 / 20
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 43.8  # 99.9 % of 19 degrees of freedom


def test_mix_is_a_bijection_on_a_sample():
    assert len({int(splitmix.mix(np.uint64(value))) for value in range(100_000)}) == 100_000
