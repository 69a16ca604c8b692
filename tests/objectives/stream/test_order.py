from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.prng.splitmix import derive
from objectives.stream.order import SCALE, Shares, first_unit, permute, phase, pieces, unit

keys = st.integers(0, 2**64 - 1)


@given(st.integers(1, 400), keys)
def test_permute_is_a_permutation(count, key):
    assert sorted(permute(i, count, key) for i in range(count)) == list(range(count))


def test_permute_by_vector():
    assert [permute(i, 10, 1) for i in range(10)] == [6, 2, 8, 1, 5, 7, 9, 0, 3, 4]


def test_permute_is_uniform_over_keys():
    """Every ordering of 4 comes up equally often, and so does every place of 100."""
    orderings = Counter(
        tuple(permute(i, 4, derive(3, key)) for i in range(4)) for key in range(9600)
    )
    assert len(orderings) == 24
    assert sum((count - 400) ** 2 / 400 for count in orderings.values()) < 49.7  # 99.9 %, 23
    places = Counter(permute(17, 100, derive(4, key)) for key in range(10_000))
    assert sum((places[i] - 100) ** 2 / 100 for i in range(100)) < 148.3  # 99.9 %, 99


@given(st.integers(1, 300), st.integers(1, 80), keys, st.integers(1, 4))
def test_each_address_once_per_epoch(addresses, size, key, epochs):
    """The units that touch epochs 0..epochs-1 hold each of their addresses exactly once."""
    seen: Counter[tuple[int, int]] = Counter()
    drawn = first_unit(epochs, addresses, size)
    for k in range(drawn):
        start = unit(k, addresses, size, key).start
        for piece in pieces(start, size, addresses, key):
            assert piece.count > 0
            for offset in range(piece.count):
                seen[piece.epoch, (piece.address + offset) % addresses] += 1
    assert set(seen.values()) == {1}
    for epoch in range(epochs):
        assert sum(1 for found, _ in seen if found == epoch) == addresses


@given(st.integers(1, 10**5), st.integers(1, 5000), keys, st.integers(0, 50))
def test_each_unit_once_per_epoch(addresses, size, key, epoch):
    first, last = first_unit(epoch, addresses, size), first_unit(epoch + 1, addresses, size)
    units = [unit(k, addresses, size, key) for k in range(first, min(last, first + 200))]
    assert all(found.epoch == epoch for found in units)
    assert all(epoch * addresses <= found.start < (epoch + 1) * addresses for found in units)
    assert all(found.start == (first + found.number) * size for found in units)
    if last - first <= 200:
        assert sorted(found.number for found in units) == list(range(last - first))


def test_cuts_move_and_orders_differ_between_epochs():
    key = derive(0, "the-stack/c")
    assert len({phase(epoch, 10**6, key) for epoch in range(10)}) == 10
    orders = {
        tuple(unit(e * 100 + i, 10**5, 1000, key).number for i in range(100)) for e in range(5)
    }
    assert len(orders) == 5


def test_a_far_unit():
    found = unit(10**11, 10**9 + 7, 32_000, 5)
    assert found.epoch == 10**11 * 32_000 // (10**9 + 7)
    assert found.start // (10**9 + 7) == found.epoch
    assert sum(p.count for p in pieces(found.start, 32_000, 10**9 + 7, 5)) == 32_000


@st.composite
def weights(draw, smallest=0):
    parts = draw(st.lists(st.integers(smallest, 10**6), min_size=1, max_size=20).filter(any))
    scaled = [part * SCALE // sum(parts) for part in parts]
    heaviest = max(range(len(parts)), key=parts.__getitem__)
    scaled[heaviest] += SCALE - sum(scaled)
    return scaled


@given(weights(), st.integers(1, 300))
def test_counts_are_those_of_brute_force(weights, units):
    shares = Shares(weights)
    counts = [0] * len(weights)
    for number in range(units):
        component, own = shares.locate(number)
        assert own == counts[component]
        counts[component] += 1
        assert shares.counts(number + 1) == counts


@settings(max_examples=300)
@given(weights(), st.integers(0, 2**60))
def test_the_mixture_is_within_two_units_of_its_shares(weights, units):
    counts = Shares(weights).counts(units)
    assert sum(counts) == units
    for count, weight in zip(counts, weights, strict=True):
        assert abs(count * SCALE - units * weight) < 2 * SCALE
        assert weight or not count


@given(weights(), st.integers(0, 10**12))
def test_far_units_are_located_as_they_are_counted(weights, number):
    shares = Shares(weights)
    component, own = shares.locate(number)
    assert shares.counts(number)[component] == own
    assert shares.counts(number + 1)[component] == own + 1


def test_weights_must_sum_to_the_scale():
    with pytest.raises(ValueError, match="sum to"):
        Shares([1, 2])
