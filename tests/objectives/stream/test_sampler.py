"""Places: each address of a component once per epoch, across stages; counts by brute force."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.special_tokens import SpecialTokens
from objectives.stream.order import SCALE
from objectives.stream.plan import Plan, PlanComponent
from objectives.stream.sampler import AddressRange, Sampler, unit_at
from objectives.stream.stage import Stage
from tests.objectives.stages import with_stage
from tests.objectives.stream import plain_order

CONTROL = SpecialTokens(end=0, vocabulary=10)
NAMES = ["clm", "fim", "ul2_s", "ul2_s_half"] * 2


def planned(number, addresses, unit_size):
    """A component of a plan."""
    return PlanComponent(
        name=f"s/{number}", dataset="d", addresses=addresses, tokens=addresses, documents=0,
        digest="0", unit_size=unit_size,
    )  # fmt: skip


@st.composite
def plans(draw):
    """Small plans with up to three stages; components from 1 address on."""
    sequences = draw(st.sampled_from([1, 2, 3, 4]))
    interleave = draw(st.sampled_from([1, 2, 4]))
    sizes = draw(st.lists(st.integers(1, 400), min_size=1, max_size=5))
    units = st.lists(st.integers(1, 16 * sequences), min_size=len(sizes), max_size=len(sizes))
    stages: list[Stage] = []
    for number in range(draw(st.integers(1, 3))):
        parts = draw(
            st.lists(st.integers(0, 9), min_size=len(sizes), max_size=len(sizes)).filter(any)
        )
        weights = [part * SCALE // sum(parts) for part in parts]
        weights[weights.index(max(weights))] += SCALE - sum(weights)
        start = (stages[-1].position if stages else 0) + draw(st.integers(1, 5)) * (
            interleave * sequences
        )
        stages.append(Stage(position=start if number else 0, weights=weights))
    return Plan(
        seed=draw(st.integers(0, 5)),
        sequence_length=16,
        slots=draw(st.permutations(NAMES[:sequences])),
        interleave=interleave,
        control=CONTROL,
        components=[
            planned(i, *item) for i, item in enumerate(zip(sizes, draw(units), strict=True))
        ],
        stages=stages,
        positions=1,
    )


@settings(max_examples=150, deadline=None)
@given(plans(), st.integers(0, 200))
def test_counts_are_those_of_brute_force(plan, position):
    """Whole units, and of the units that a position cuts the share of their sequences."""
    sampler = Sampler(plan)
    before: Counter[tuple[int, int, int]] = Counter()
    for g in range(position):
        place = sampler.locate(g)
        before[place.component, place.epoch, place.unit] += 1
    counts = [0] * len(plan.components)
    for (component, _, _), sequences in before.items():
        size = plan.components[component].unit_size
        counts[component] += size * sequences // plan.sequences_per_unit
    assert sampler.counts(position) == counts


@settings(max_examples=60, deadline=None)
@given(plans())
def test_each_address_once_per_epoch_across_stages(plan):
    """Units hold each address of an epoch at most once, and finished epochs all of them."""
    sampler = Sampler(plan)
    seen: dict[tuple[int, int], np.ndarray] = {}
    units: Counter[tuple[int, int, int]] = Counter()
    for g in range(plan.group * 20):
        place = sampler.locate(g)
        size = plan.components[place.component].addresses
        units[place.component, place.epoch, place.unit] += 1
        for piece in place.ranges if place.sequence == 0 else []:
            ring = seen.setdefault((place.component, piece.epoch), np.zeros(size, int))
            ring[(piece.address + np.arange(piece.size)) % size] += 1
    assert max(ring.max() for ring in seen.values()) == 1
    assert set(units.values()) == {plan.sequences_per_unit}
    for number, count in enumerate(sampler.counts(plan.group * 20)):
        component = plan.components[number]
        # Units are drawn in another order than they lie, so the last two epochs may be open.
        whole = count // component.addresses - 1 - component.unit_size // component.addresses
        for epoch in range(whole):
            assert seen[number, epoch].min() == 1


@settings(max_examples=50, deadline=None)
@given(plans(), st.lists(st.integers(0, 10**11), min_size=1, max_size=5))
def test_a_location_does_not_depend_on_earlier_calls(plan, positions):
    used = Sampler(plan)
    asked = [used.locate(position) for position in positions]
    assert asked == [Sampler(plan).locate(position) for position in positions]


def three_components(sizes=(50_000, 70_000, 90_000)):
    weights = [SCALE // 2, SCALE // 4, SCALE // 4]
    return Plan(
        seed=1,
        sequence_length=64,
        slots=NAMES,
        interleave=16,
        control=CONTROL,
        components=[planned(i, n, 500 - 10 * i) for i, n in enumerate(sizes)],
        stages=[Stage(position=0, weights=weights)],
        positions=1,
    )


def test_neighbors_come_from_different_units():
    sampler = Sampler(three_components())
    batch = [sampler.locate(position) for position in range(16)]
    assert len({(place.component, place.epoch, place.unit) for place in batch}) == 16
    assert Counter(place.component for place in batch) == {0: 8, 1: 4, 2: 4}


def test_every_unit_has_every_slot_once_in_an_order_of_its_own():
    plan = three_components()
    sampler = Sampler(plan)
    orders = set()
    for lane in range(16):
        slots = [sampler.locate(lane + 16 * s).objective for s in range(8)]
        assert sorted(slots) == sorted(NAMES)
        orders.add(tuple(slots))
    assert len(orders) > 10


def keys_of(plan, name, groups=60):
    """What a component's sequences are made from, by (epoch, unit, sequence)."""
    sampler = Sampler(plan)
    index = [c.name for c in plan.components].index(name)
    result = (sampler.locate(g) for g in range(groups * plan.group))
    return {
        (p.epoch, p.unit, p.sequence): (p.key, p.objective, p.ranges)
        for p in result
        if p.component == index
    }


def test_other_components_and_weights_do_not_change_a_components_sequences():
    plan = three_components()
    other = plan.components[2].model_copy(update={"name": "s/new"})
    weights = [SCALE // 8, SCALE // 8, SCALE // 4, SCALE // 2]
    stage = plan.stages[0].model_copy(update={"weights": weights})
    more = plan.model_copy(update={"components": [other, *plan.components], "stages": [stage]})
    before, after = keys_of(plan, "s/1"), keys_of(more, "s/1")
    common = before.keys() & after.keys()
    assert len(common) > 500
    assert all(before[at] == after[at] for at in common)


def test_a_far_location_has_known_values():
    """The order is a format: this place must never change while Plan.format is 3."""
    place = Sampler(three_components()).locate(10**11 + 12345)
    assert (place.component, place.sequence, place.objective) == (1, 3, "ul2_s")
    assert (place.epoch, place.unit) == (21875002, 68)
    assert place.key == 13827951143855001092
    assert place.ranges == [AddressRange(epoch=21875002, address=47173, size=490)]


def test_epochs_continue_across_stages():
    plan = three_components()
    staged = with_stage(plan, 1000, [0, SCALE, 0])
    before = Sampler(plan).counts(1024)
    after = Sampler(staged).counts(1024 + plan.group)
    assert after == [before[0], before[1] + 16 * plan.components[1].unit_size, before[2]]
    assert Sampler(plan).locate(1023) == Sampler(staged).locate(1023)
    assert Sampler(staged).locate(1024).component == 1


@pytest.mark.parametrize("position", [0, 10**9, 10**11])
def test_shares_of_components_hold_at_any_position(position):
    sampler = Sampler(three_components())
    counts = sampler.counts(position + 128 * 100)
    before = sampler.counts(position)
    gained = [b - a for a, b in zip(before, counts, strict=True)]
    assert gained[0] == pytest.approx(800 * 500, abs=3 * 500)
    assert gained[1] == pytest.approx(400 * 490, abs=3 * 490)


@settings(max_examples=200, deadline=None)
@given(plans(), st.lists(st.one_of(st.integers(0, 300), st.integers(0, 10**11)), max_size=5))
def test_locations_equal_plain_python(plan, positions):
    sampler = Sampler(plan)
    for position in positions:
        assert sampler.locate(position) == plain_order.locate(plan, position)


@settings(max_examples=200, deadline=None)
@given(
    plans(),
    st.lists(st.tuples(st.one_of(st.integers(0, 300), st.integers(0, 10**11)), st.integers(1, 40))),
    st.sampled_from([1, 2, 1024]),
)
def test_drawn_units_are_those_of_each_position_alone(plan, batches, max_lanes):
    sampler = Sampler(plan, max_lanes)
    for position, wanted in batches:
        rows = min(wanted, sampler.max_rows(position))
        sampler.draw(position, rows)
        for at in range(position, position + rows):
            location, state = Sampler(plan).locate(at), sampler.state
            number, sequence = unit_at(at, sampler.sizes)
            lane = number % len(state.number)
            assert state.number[lane] == number
            assert state.component[lane] == location.component
            assert (state.epoch[lane], state.unit[lane]) == (location.epoch, location.unit)
            assert sequence == location.sequence
            assert plan.slots[state.slot_index[lane, sequence]] == location.objective
            size = plan.components[location.component].unit_size
            assert size == sum(addresses.size for addresses in location.ranges)


def test_a_unit_stays_drawn_for_all_of_its_sequences():
    sampler = Sampler(three_components(), 1024)
    changed = [len(sampler.draw(position, 16)) for position in range(0, 256, 16)]
    assert changed == [16, *[0] * 7] * 2


@pytest.mark.parametrize("max_lanes", [4, 1024])
def test_max_rows_are_in_lanes_of_their_own(max_lanes):
    sampler = Sampler(three_components(), max_lanes)
    position = 0
    while position < 1000:
        rows = sampler.max_rows(position)
        numbers = {unit_at(at, sampler.sizes)[0] for at in range(position, position + rows)}
        assert len({number % len(sampler.state.number) for number in numbers}) == len(numbers)
        position += rows
