"""Units in memory: what the sequences of a batch are cut from.

A unit is read once, when the first of its sequences is asked for, into its lane (stream.lanes), and
serves them all: 64 kB at K = 16, L = 2,048 and two bytes a token. C lanes are what interleaving
needs to hold; nothing else is kept.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.dataset.token_range import Component
from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import derive
from objectives.stream.lanes import Drawn, Lanes, Shape, unit_at
from objectives.stream.order_kernels import pieces
from objectives.stream.sampler import Places
from objectives.tasks.batch import Segments

MOST_LANES = 1024
"""Units held at once: 64 MB of tokens, at two bytes each. A plan that interleaves more of them
gets its units read again for each of their sequences."""

SEGMENTS = 128
"""Segments of a unit that there is room for, until one has more: files are of 1,200 tokens in the
mean, units of 32,000."""

Numbers = npt.NDArray[np.int64]


class Sequences(NamedTuple):
    """Consecutive sequences of the stream, of which no objective has made rows yet.

    Attributes:
        segments: what they are made from.
        component: int64 [n], index into the plan's components.
        turn: int64 [n], index into the slots of `stage`.
        stage: number of the stage, the same for all.
    """

    segments: Segments
    component: Numbers
    turn: Numbers
    stage: int


class Held(NamedTuple):
    """The units in their lanes.

    Attributes:
        tokens: uint16 or uint32 [lanes, U], as on disk: without end tokens.
        table: int32 [lanes, some, 4], a row for each segment: its first address within the unit,
            its first token within `tokens`, its tokens, whether its end token follows.
        used: int64 [lanes, 3], addresses, tokens and segments that are there.
    """

    tokens: npt.NDArray[Any]
    table: npt.NDArray[np.int32]
    used: Numbers


class Units:
    """Gives the sequences at any position; those of the units it holds, without reading."""

    def __init__(
        self,
        places: Places,
        components: Sequence[Component],
        forgotten: Callable[[int, int], Numbers],
    ) -> None:
        """Hold nothing yet.

        Args:
            places: the order of the plan.
            components: those of the plan, in its order.
            forgotten: (stage, component) -> the addresses of its ring that are left out, whole
                documents: int64 [k, 2], each row [start, stop), sorted and disjoint.
        """
        self._places, self._components, self._forgotten = places, components, forgotten
        self._all_local = all(component.is_local for component in components)
        self._lanes = Lanes(places, MOST_LANES)
        lanes, size = len(self._lanes.drawn.number), places.plan.unit_size
        dtype = np.result_type(*{component.dtype for component in components})
        self._held = Held(
            np.empty((lanes, size), dtype),
            np.empty((lanes, SEGMENTS, 4), np.int32),
            np.zeros((lanes, 3), np.int64),
        )

    def sequences(self, position: int, rows: int) -> Sequences:
        """Return sequences from `position` on, at most `rows`; good until the next call.

        Raises:
            DataError: a shard is damaged.
        """
        rows = min(rows, self._lanes.together(position))
        changed = self._lanes.draw(position, rows).tolist()
        if not self._all_local:
            self._look_ahead(self._lanes.drawn.number[changed].tolist())
        while changed:
            try:
                self._load(changed[-1])
            except BaseException:
                self._lanes.drawn.number[changed] = -1
                raise
            changed.pop()
        stage = self._places.stage(position)
        allowances = self._lanes.allowances
        cut = _cut(position, rows, self._lanes.shape, allowances, self._lanes.drawn, self._held)
        segments = Segments(self._held.tokens.reshape(-1), *cut[:-2])
        return Sequences(segments, *cut[-2:], stage)

    def _look_ahead(self, numbers: Sequence[int]) -> None:
        """Have units at hand at once, and then those that are in their lanes after them."""
        interleave = self._lanes.shape.interleave
        for number in [*numbers, *(number + interleave for number in numbers)]:
            component, found = self._places.unit_pieces(number)
            if not self._components[component].is_local:
                for piece in found:
                    self._components[component].ahead(piece.address, piece.count)

    def _load(self, lane: int) -> None:
        drawn, lanes = self._lanes.drawn, self._lanes
        number = int(drawn.component[lane])
        component, addresses = self._components[number], int(lanes.addresses[number])
        stage = self._places.stage(int(drawn.number[lane]) * lanes.shape.sequences)
        forgotten = self._forgotten(stage, number)
        self._held.used[lane] = 0
        found = pieces(int(drawn.start[lane]), lanes.shape.size, addresses, lanes.keys[number])
        for address, count in found.tolist():
            out = self._held.tokens[lane, self._held.used[lane, 1] :]
            tokens, ends = component.window(address, count, out)
            used = self._held.used[lane]
            self._make_room(int(used[2]) + len(ends) + 1)
            _add(len(tokens), ends, address, addresses, forgotten, self._held.table[lane], used)

    def _make_room(self, segments: int) -> None:
        table = self._held.table
        if segments > table.shape[1]:
            more = np.empty((len(table), 1 << segments.bit_length(), 4), np.int32)
            more[:, : table.shape[1]] = table
            self._held = self._held._replace(table=more)


@compiled()
def _add(
    tokens: int,
    ends: Numbers,
    address: int,
    addresses: int,
    forgotten: Numbers,
    table: npt.NDArray[np.int32],
    used: Numbers,
) -> None:
    """Append a window of so many `tokens`, from `address` of a ring of `addresses` on, to a lane.

    `table` and `used` are the lane's, of Held. Of a forgotten document nothing is appended.
    """
    count, begin, token = tokens + len(ends), 0, 0
    for i in range(len(ends) + 1):
        closed = i < len(ends)
        stop = ends[i] + 1 if closed else count
        if stop > begin:
            size = stop - begin - closed
            at = (address + begin) % addresses
            gap = np.searchsorted(forgotten[:, 1], at, side="right")
            if gap == len(forgotten) or forgotten[gap, 0] > at:
                row = table[used[2]]
                row[0], row[1] = used[0] + begin, used[1] + token
                row[2], row[3] = size, closed
                used[2] += 1
            token += size
        begin = stop
    used[0] += count
    used[1] += tokens


@compiled()
def _cut(
    position: int, rows: int, shape: Shape, allowances: Numbers, drawn: Drawn, held: Held
) -> tuple[
    Numbers, Numbers, npt.NDArray[np.bool_], Numbers, Numbers, npt.NDArray[np.uint64], Numbers,
    Numbers,
]:  # fmt: skip
    """Cut sequences out of their units: Segments without its tokens, then component and turn."""
    lanes = len(drawn.number)
    first, begins = np.zeros(rows + 1, np.int64), np.empty(rows, np.int64)
    allowed, keys = np.empty(rows, np.int64), np.empty(rows, np.uint64)
    component, turn = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        number, sequence = unit_at(position + i, shape)
        lane = number % lanes
        component[i], turn[i] = drawn.component[lane], drawn.turns[lane, sequence]
        allowed[i], keys[i] = allowances[turn[i]], derive(drawn.key[lane], sequence)
        table, stop = held.table[lane, : held.used[lane, 2]], drawn.offsets[lane, sequence + 1]
        begins[i] = _reaching(table, drawn.offsets[lane, sequence])
        last = _reaching(table, stop)
        if last < len(table) and table[last, 0] < stop:
            last += 1
        first[i + 1] = first[i] + last - begins[i]
    starts, lengths = np.empty(first[rows], np.int64), np.empty(first[rows], np.int64)
    closed = np.empty(first[rows], np.bool_)
    for i in range(rows):
        number, sequence = unit_at(position + i, shape)
        lane = number % lanes
        for segment in range(first[i], first[i + 1]):
            row = held.table[lane, begins[i] + segment - first[i]]
            begin = max(drawn.offsets[lane, sequence] - row[0], 0)
            stop = min(drawn.offsets[lane, sequence + 1] - row[0], row[2] + row[3])
            skipped = min(begin, row[2])
            starts[segment] = lane * shape.size + row[1] + skipped
            lengths[segment] = min(stop, row[2]) - skipped
            closed[segment] = row[3] and stop == row[2] + row[3]
    return starts, lengths, closed, first, allowed, keys, component, turn


@compiled()
def _reaching(table: npt.NDArray[np.int32], address: int) -> int:
    """Return the first segment of a table that ends after an address of the unit."""
    low, high = 0, len(table)
    while low < high:
        middle = (low + high) // 2
        if table[middle, 0] + table[middle, 2] + table[middle, 3] > address:
            high = middle
        else:
            low = middle + 1
    return low
