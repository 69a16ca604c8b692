"""The pieces of a unit: what its addresses hold, document by document, before it is laid out."""

from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.dataset.component import Component
from manifests.prng.jit import compiled
from objectives.tasks.layout import PIECE_COLUMNS

Numbers = npt.NDArray[np.int64]

ROOM = 128
"""Initial room for the pieces of a unit; the room grows when a unit has more. Ours: files have
1,200 tokens in the mean, units 32,000."""


class PieceReader:
    """Reads units. A table of pieces is valid until the next unit is read."""

    def __init__(self) -> None:
        """Make room for the first unit."""
        self._pieces = np.empty((ROOM, PIECE_COLUMNS), np.int64)

    def read(
        self, component: Component, ranges: Numbers, forgotten: Numbers, out: npt.NDArray[Any]
    ) -> Numbers:
        """Read ranges of addresses, one after the other.

        Args:
            component: the component.
            ranges: int64 [n, 3], (epoch, first address, number of addresses), as `address_ranges`
                returns them.
            forgotten: int64 [k, 2], the addresses of forgotten documents: each row [start, stop),
                sorted and disjoint.
            out: [addresses or more] of the component's dtype or a wider dtype, for the tokens.

        Returns:
            The pieces: int64 [P, PIECE_COLUMNS], see objectives.tasks.layout.

        Raises:
            DataError: a shard is damaged.
        """
        pieces = used = 0
        for _, address, count in ranges.tolist():
            tokens, ends = component.window(address, count, out[used:])
            self._make_room(pieces + len(ends) + 1)
            pieces = _append(
                len(tokens), ends, address, component.addresses, forgotten, self._pieces, pieces,
                used,
            )  # fmt: skip
            used += len(tokens)
        return self._pieces[:pieces]

    def _make_room(self, pieces: int) -> None:
        if pieces > len(self._pieces):
            more = np.empty((1 << pieces.bit_length(), PIECE_COLUMNS), np.int64)
            more[: len(self._pieces)] = self._pieces
            self._pieces = more


@compiled()
def _append(
    tokens: int,
    ends: Numbers,
    address: int,
    addresses: int,
    forgotten: Numbers,
    pieces: Numbers,
    count: int,
    used: int,
) -> int:
    """Append the pieces of one address range; return the number of pieces.

    Args:
        tokens: number of tokens in the range.
        ends: int64 [n], offsets of the end addresses in the range.
        address: first address of the range.
        addresses: of the component.
        forgotten: int64 [k, 2], as `PieceReader.read` has it.
        pieces: int64 [any, PIECE_COLUMNS], for the pieces.
        count: number of pieces before the range.
        used: number of tokens before the range.
    """
    total, begin = tokens + len(ends), 0
    for i in range(len(ends) + 1):
        ends_document = i < len(ends)
        stop = ends[i] + 1 if ends_document else total
        if stop > begin:
            size = stop - begin - ends_document
            first = (address + begin) % addresses
            gap = np.searchsorted(forgotten[:, 1], first, side="right")
            row = pieces[count]
            row[0], row[1], row[2] = used, size, ends_document
            row[3] = gap < len(forgotten) and forgotten[gap, 0] <= first
            count += 1
            used += size
        begin = stop
    return count
