"""The pieces of a unit: what its addresses hold, document by document, before it is laid out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.dataset.component import Component
from manifests.prng.jit import compiled

Numbers = npt.NDArray[np.int64]


class UnitEnds(NamedTuple):
    """Where documents end in ranges of addresses. Consecutive ranges make up a unit.

    Attributes:
        ranges: int64 [n, 3], (row, first address, number of addresses). Ranges of one unit have the
            same row.
        bounds: int64 [n + 1], range i has ends[bounds[i] : bounds[i + 1]].
        ends: int64 [any], offsets of the end addresses in their range.
    """

    ranges: Numbers
    bounds: Numbers
    ends: Numbers

    @property
    def most_pieces(self) -> int:
        """The largest number of pieces that a unit may have."""
        pieces = np.bincount(self.ranges[:, 0], np.diff(self.bounds) + 1)
        return int(pieces.max())


def read_ranges(
    components: Sequence[Component], ranges: Numbers, tokens: npt.NDArray[Any]
) -> UnitEnds:
    """Read ranges of addresses; the ranges of a unit go one after the other into its row.

    Args:
        components: the component of each range.
        ranges: as `UnitEnds` has them.
        tokens: [rows, addresses or more] of the components' dtype or a wider dtype.

    Raises:
        DataError: a shard is damaged.
    """
    ends, used, before = list[Numbers](), 0, -1
    for component, (row, address, count) in zip(components, ranges.tolist(), strict=True):
        used = used if row == before else 0
        window = component.window(address, count, tokens[row, used:])
        ends.append(window.ends)
        used, before = used + len(window.tokens), row
    bounds = np.cumsum([0, *map(len, ends)])
    return UnitEnds(ranges, bounds, np.concatenate(ends))


@compiled()
def cut_pieces(
    read: UnitEnds, at: int, addresses: int, forgotten: Numbers, pieces: Numbers
) -> tuple[int, int]:
    """Write the pieces of a unit.

    Args:
        read: of some units.
        at: number of the unit's first range.
        addresses: of the component.
        forgotten: int64 [k, 2], the addresses of forgotten documents: each row [start, stop),
            sorted and disjoint.
        pieces: int64 [any, PIECE_COLUMNS], for the pieces; see objectives.tasks.layout.

    Returns:
        The number of pieces, and the number of the range behind the unit.
    """
    row, count, used = read.ranges[at, 0], 0, 0
    while at < len(read.ranges) and read.ranges[at, 0] == row:
        address, total = read.ranges[at, 1], read.ranges[at, 2]
        first, last, begin = read.bounds[at], read.bounds[at + 1], 0
        for i in range(first, last + 1):
            ends_document = i < last
            stop = read.ends[i] + 1 if ends_document else total
            if stop > begin:
                size = stop - begin - ends_document
                start = (address + begin) % addresses
                gap = np.searchsorted(forgotten[:, 1], start, side="right")
                piece = pieces[count]
                piece[0], piece[1], piece[2] = used, size, ends_document
                piece[3] = gap < len(forgotten) and forgotten[gap, 0] <= start
                count += 1
                used += size
            begin = stop
        at += 1
    return count, at
