"""Lanes: whole batches are placed as `Places` places each position alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.stream.lanes import Lanes, unit_at
from objectives.stream.sampler import Places
from tests.objectives.stream.test_sampler import plans, three_components


def check(places, lanes, position, rows):
    """Draw, and compare each lane that the rows use with what the position alone says."""
    lanes.draw(position, rows)
    drawn = lanes.drawn
    for at in range(position, position + rows):
        place = places.at(at)
        number, sequence = unit_at(at, lanes.shape)
        lane = number % len(drawn.number)
        assert drawn.number[lane] == number
        assert drawn.component[lane] == place.component
        assert drawn.start[lane] == place.unit.start
        assert sequence == place.sequence
        slots = places.plan.stages[places.stage(at)].slots
        assert slots[drawn.turns[lane, sequence]] == place.slot
        size = np.diff(drawn.offsets[lane])[sequence]
        assert size == sum(piece.count for piece in place.pieces)


@settings(max_examples=200)
@given(
    plans(),
    st.lists(st.tuples(st.one_of(st.integers(0, 300), st.integers(0, 10**11)), st.integers(1, 40))),
    st.sampled_from([1, 2, 1024]),
)
def test_batches_are_placed_as_positions_are(plan, asked, most):
    places = Places(plan)
    lanes = Lanes(places, most)
    for position, rows in asked:
        check(Places(plan), lanes, position, min(rows, lanes.together(position)))


def test_what_is_drawn_stays_for_all_sequences_of_a_unit():
    places = Places(three_components())
    lanes = Lanes(places, 1024)
    changed = [len(lanes.draw(position, 16)) for position in range(0, 256, 16)]
    assert changed == [16, *[0] * 7] * 2


@pytest.mark.parametrize("most", [4, 1024])
def test_rows_that_are_together_are_in_lanes_of_their_own(most):
    lanes = Lanes(Places(three_components()), most)
    position = 0
    while position < 1000:
        rows = lanes.together(position)
        numbers = {unit_at(at, lanes.shape)[0] for at in range(position, position + rows)}
        assert len({number % len(lanes.drawn.number) for number in numbers}) == len(numbers)
        position += rows
