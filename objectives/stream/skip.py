"""Windows of positions that training leaves out, as those behind a spike of the loss."""

from collections.abc import Iterable


def step_position(start: int, step: int, rows: int, skipped: Iterable[tuple[int, int]]) -> int:
    """Return the position of the first sequence of a step.

    Step 0 begins at `start`, and each begins where the one before it ended; but one that would
    reach into a window begins where the window stops. So a step is `rows` sequences in a row, and
    where it begins is arithmetic, too.

    Args:
        start: a position.
        step: number of the step, from 0.
        rows: sequences of a step.
        skipped: (first, stop) of each window, ascending.
    """
    for first, stop in skipped:
        if stop <= start:
            continue
        before = max(0, first - start) // rows
        if step < before:
            break
        start, step = stop, step - before
    return start + step * rows
