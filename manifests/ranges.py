"""Ranges of consecutive things whose sizes add up to at most a limit."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def ranges_within(ends: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of ranges of at most `limit`; a thing that is larger is alone.

    Args:
        ends: int64 [n + 1], the sum of the sizes before each of n things, and of all.
        limit: largest sum of the sizes of a range.
    """
    start, count = 0, len(ends) - 1
    while start < count:
        stop = int(np.searchsorted(ends, ends[start] + limit, "right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop
