from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from objectives.stream.positions import step_position

windows = st.lists(st.integers(0, 300), unique=True, max_size=8).map(
    lambda edges: list(pairwise(sorted(edges)))[::2]
)


def walked(start, steps, rows, skipped):
    """The same, step by step."""
    result = []
    for _ in range(steps):
        while hit := [stop for first, stop in skipped if first < start + rows and start < stop]:
            start = hit[0]
        result.append(start)
        start += rows
    return result


@given(st.integers(0, 300), st.integers(1, 40), windows)
def test_step_positions_equal_those_of_a_walk(start, rows, skipped):
    result = [step_position(start, step, rows, skipped) for step in range(30)]
    assert result == walked(start, 30, rows, skipped)


@given(st.integers(0, 300), st.integers(0, 30), st.integers(1, 40), windows)
def test_continuing_from_any_step_gives_the_same_positions(start, step, rows, skipped):
    middle = step_position(start, step, rows, skipped)
    for more in range(10):
        whole = step_position(start, step + more, rows, skipped)
        assert step_position(middle, more, rows, skipped) == whole


def test_a_step_that_overlaps_a_window_begins_behind_it():
    assert [step_position(0, step, 10, [(25, 40)]) for step in range(4)] == [0, 10, 40, 50]
