"""The position of a step: consecutive rows, without the windows that training leaves out."""

from collections.abc import Iterable


def step_position(start: int, step: int, rows: int, skipped: Iterable[tuple[int, int]]) -> int:
    """Return the position of the first sequence of a step, in closed form.

    Step 0 begins at `start`, and each step begins where the step before it ends. A step that would
    overlap a window begins at the end of the window instead, so the rows of a step are consecutive.

    Args:
        start: a position.
        step: number of the step, from 0.
        rows: sequences of a step.
        skipped: (first position, position behind the last) of each window, ascending.
    """
    for first, stop in skipped:
        if stop <= start:
            continue
        before = max(0, first - start) // rows
        if step < before:
            break
        start, step = stop, step - before
    return start + step * rows
