"""The order of units and components: its laws, and its equality with plain Python."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.stream.order import (
    SCALE,
    WeightedInterleave,
    address_ranges,
    component_of,
    first_unit,
    rotation,
    unit,
)
from tests.objectives.stream import plain_order

keys = st.integers(0, 2**64 - 1).map(np.uint64)
sizes = st.one_of(st.integers(1, 300), st.integers(1, 10**13))


@st.composite
def weights(draw, smallest=0):
    parts = draw(st.lists(st.integers(smallest, 10**6), min_size=1, max_size=20).filter(any))
    scaled = [part * SCALE // sum(parts) for part in parts]
    heaviest = max(range(len(parts)), key=parts.__getitem__)
    scaled[heaviest] += SCALE - sum(scaled)
    return scaled


def component_at(interleave, number):
    return component_of(interleave.nodes, interleave.root, interleave.components, number)


@settings(max_examples=300)
@given(st.integers(0, 10**13), sizes, st.integers(1, 32_768), keys)
def test_units_equal_plain_python(drawn, addresses, size, key):
    assert unit(drawn, addresses, size, key) == plain_order.unit(drawn, addresses, size, int(key))


@settings(max_examples=300)
@given(st.integers(0, 2**60), st.integers(1, 5000), sizes, keys)
def test_address_ranges_equal_plain_python(start, count, addresses, key):
    expected = plain_order.address_ranges(start, count, addresses, int(key))
    assert list(map(tuple, address_ranges(start, count, addresses, key).tolist())) == expected


@settings(max_examples=300)
@given(weights(), st.one_of(st.integers(0, 1000), st.integers(0, 2**60)))
def test_components_of_units_equal_plain_python(weights, number):
    expected = plain_order.Interleave(weights).component_of(number)
    assert component_at(WeightedInterleave(weights), number) == expected


@given(st.integers(1, 300), st.integers(1, 80), keys, st.integers(1, 4))
def test_units_hold_each_address_once_per_epoch(addresses, size, key, epochs):
    seen: Counter[tuple[int, int]] = Counter()
    for drawn in range(first_unit(epochs, addresses, size)):
        _, _, start = unit(drawn, addresses, size, key)
        for epoch, address, count in address_ranges(start, size, addresses, key).tolist():
            assert count > 0
            for offset in range(count):
                seen[epoch, (address + offset) % addresses] += 1
    assert set(seen.values()) == {1}
    for epoch in range(epochs):
        assert sum(1 for other, _ in seen if other == epoch) == addresses


@given(st.integers(1, 10**5), st.integers(1, 5000), keys, st.integers(0, 50))
def test_an_epoch_has_each_of_its_units_once(addresses, size, key, epoch):
    first, last = first_unit(epoch, addresses, size), first_unit(epoch + 1, addresses, size)
    units = [unit(k, addresses, size, key) for k in range(first, min(last, first + 200))]
    for owner, number, start in units:
        assert owner == epoch
        assert epoch * addresses <= start < (epoch + 1) * addresses
        assert start == (first + number) * size
    if last - first <= 200:
        assert sorted(number for _, number, _ in units) == list(range(last - first))


def test_cuts_and_orders_differ_between_epochs():
    key = np.uint64(plain_order.derive(0, "the-stack/c"))
    assert len({rotation(epoch, 10**6, key) for epoch in range(10)}) == 10
    orders = {tuple(unit(e * 100 + i, 10**5, 1000, key)[1] for i in range(100)) for e in range(5)}
    assert len(orders) == 5


@given(weights(), st.integers(1, 300))
def test_counts_of_an_interleave_are_those_of_brute_force(weights, units):
    interleave, counts = WeightedInterleave(weights), [0] * len(weights)
    for number in range(units):
        component, before = component_at(interleave, number)
        assert before == counts[component]
        counts[component] += 1
        assert interleave.counts(number + 1) == counts


@settings(max_examples=300)
@given(weights(), st.integers(0, 2**60))
def test_an_interleave_is_within_two_units_of_its_shares(weights, units):
    counts = WeightedInterleave(weights).counts(units)
    assert sum(counts) == units
    for count, weight in zip(counts, weights, strict=True):
        assert abs(count * SCALE - units * weight) < 2 * SCALE
        assert weight or not count


@given(weights(), st.integers(0, 10**12))
def test_far_units_are_assigned_as_they_are_counted(weights, number):
    interleave = WeightedInterleave(weights)
    component, before = component_at(interleave, number)
    assert interleave.counts(number)[component] == before
    assert interleave.counts(number + 1)[component] == before + 1


def test_weights_must_sum_to_the_scale():
    with pytest.raises(ValueError, match="sum to"):
        WeightedInterleave([1, 2])
