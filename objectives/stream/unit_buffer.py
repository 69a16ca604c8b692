"""The units in memory that the sequences of a batch are taken from.

A unit is read once, when the first of its sequences is needed, and serves all of its sequences: it
takes 64 kB at K = 16, L = 2,048 and two bytes a token. The buffer holds one unit for each lane of
the sampler, which is what interleaving needs, and nothing else.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.dataset.component import Component
from manifests.prng.jit import compiled
from manifests.prng.splitmix import derive
from objectives.stream.order import address_ranges
from objectives.stream.plan import Plan
from objectives.stream.sampler import AddressRange, PlanSizes, Sampler, SamplerState, unit_at
from objectives.stream.unit_pieces import ROOM, PieceReader
from objectives.tasks.batch import Segments
from objectives.tasks.law import Laws
from objectives.tasks.layout import (
    CONTROL,
    DETAILS,
    ELIGIBLE,
    ENDS,
    FIRST,
    KEY,
    LAST,
    LENGTH,
    LOST,
    SEGMENT_COLUMNS,
    SEQUENCE_COLUMNS,
    START,
    STOP,
    THINNED,
    TOKEN,
    lay_out,
)

MAX_LANES = 1024
"""Units held at once: 64 MB of tokens, at two bytes each. A plan that interleaves more units gets
each unit read again for each of its sequences."""

Numbers = npt.NDArray[np.int64]


class Sequences(NamedTuple):
    """Consecutive sequences of the stream, before an objective makes rows of them.

    Attributes:
        segments: the segments of the sequences; valid until the next call of the buffer.
        component: int64 [n], index into the plan's components.
        slot_index: int64 [n], index into the plan's slots.
        eligible: int64 [n], how many segments the objective's law changes.
        thinned: int64 [n], how many of these it could not change as drawn.
    """

    segments: Segments
    component: Numbers
    slot_index: Numbers
    eligible: Numbers
    thinned: Numbers


class HeldUnits(NamedTuple):
    """The content of the units, one for each lane.

    Attributes:
        tokens: uint16 or uint32 [lanes, U], as stored in the shards, without end tokens.
        segments: int64 [lanes, room, SEGMENT_COLUMNS], see objectives.tasks.layout.
        sequences: int64 [lanes, K, SEQUENCE_COLUMNS], see objectives.tasks.layout.
    """

    tokens: npt.NDArray[Any]
    segments: Numbers
    sequences: Numbers


class UnitBuffer:
    """Returns the segments of the sequences at any position; reads each unit once.

    Attributes:
        sampler: the order of the plan.
    """

    def __init__(
        self,
        plan: Plan,
        components: Sequence[Component],
        forgotten: Callable[[int, int], Numbers],
        laws: Laws,
        max_lanes: int = MAX_LANES,
    ) -> None:
        """Make an empty buffer.

        Args:
            plan: the plan.
            components: the plan's components, in the plan's order.
            forgotten: (stage, component) -> the addresses that the stage leaves out, which are
                those of whole documents: int64 [k, 2], each row [start, stop), sorted and disjoint.
            laws: of the plan's objectives.
            max_lanes: how many units are held at most: a power of two.
        """
        self.sampler = Sampler(plan, max_lanes)
        self._components, self._forgotten, self._laws = components, forgotten, laws
        names = list(plan.objectives())
        self._objectives = np.array([names.index(name) for name in plan.slots], np.int64)
        self._positions = len(plan.slots) * plan.sequence_length
        self._all_local = all(component.is_local for component in components)
        self._reader = PieceReader()
        lanes = len(self.sampler.state.number)
        dtype = np.result_type(*{component.dtype for component in components})
        self._held = HeldUnits(
            np.empty((lanes, int(self.sampler.units.max())), dtype),
            np.empty((lanes, ROOM, SEGMENT_COLUMNS), np.int64),
            np.zeros((lanes, len(plan.slots), SEQUENCE_COLUMNS), np.int64),
        )

    def sequences(self, position: int, rows: int) -> Sequences:
        """Return the sequences from `position` on: at least one, at most `rows`.

        Raises:
            DataError: a shard is damaged.
        """
        sampler = self.sampler
        rows = min(rows, sampler.max_rows(position))
        changed = sampler.draw(position, rows).tolist()
        stage = sampler.stage_index(position)
        if not self._all_local:
            self._read_ahead(sampler.state.number[changed].tolist())
        while changed:
            try:
                self._load(changed[-1], stage)
            except BaseException:
                sampler.state.number[changed] = -1
                raise
            changed.pop()
        return _take(position, rows, sampler.sizes, sampler.state, self._held)

    def addresses(self, position: int) -> list[AddressRange]:
        """Return the addresses of the sequence at a position; its unit is read if need be.

        Raises:
            DataError: a shard is damaged.
        """
        self.sequences(position, 1)
        number, sequence = unit_at(position, self.sampler.sizes)
        state = self.sampler.state
        lane = number % len(state.number)
        start, stop = self._held.sequences[lane, sequence, [START, STOP]].tolist()
        return self.sampler.ranges(
            int(state.component[lane]), int(state.start[lane]) + start, stop - start
        )

    def _read_ahead(self, numbers: Sequence[int]) -> None:
        """Start to fetch remote units, and after them the units that follow in their lanes."""
        interleave = self.sampler.sizes.interleave
        for number in [*numbers, *(number + interleave for number in numbers)]:
            component, ranges = self.sampler.unit_ranges(number)
            if not self._components[component].is_local:
                for addresses in ranges:
                    self._components[component].ahead(addresses.address, addresses.size)

    def _load(self, lane: int, stage: int) -> None:
        """Read the unit of a lane, and lay it out."""
        state, sampler = self.sampler.state, self.sampler
        number = int(state.component[lane])
        component, size = self._components[number], int(sampler.units[number])
        ranges = address_ranges(
            int(state.start[lane]), size, int(sampler.addresses[number]), sampler.keys[number]
        )
        tokens, forgotten = self._held.tokens[lane], self._forgotten(stage, number)
        pieces = self._reader.read(component, ranges, forgotten, tokens)
        self._make_room(len(pieces) + sampler.sizes.sequences)
        slack, key = self._positions - size, state.key[lane]
        lay_out(
            pieces, tokens, key, self._objectives[state.slot_index[lane]],
            slack > 0, self._laws, sampler.sizes.length, slack,
            self._held.segments[lane], self._held.sequences[lane],
        )  # fmt: skip

    def _make_room(self, segments: int) -> None:
        """Make room for so many segments of a unit."""
        table = self._held.segments
        if segments > table.shape[1]:
            more = np.empty((len(table), 1 << segments.bit_length(), SEGMENT_COLUMNS), np.int64)
            more[:, : table.shape[1]] = table
            self._held = self._held._replace(segments=more)


@compiled()
def _take(
    position: int, rows: int, sizes: PlanSizes, state: SamplerState, held: HeldUnits
) -> Sequences:
    """Take sequences out of their units."""
    lanes = len(state.number)
    first, forgotten = np.zeros(rows + 1, np.int64), np.empty(rows, np.int64)
    keys, component = np.empty(rows, np.uint64), np.empty(rows, np.int64)
    slot_index = np.empty(rows, np.int64)
    eligible, thinned = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        number, sequence = unit_at(position + i, sizes)
        lane = number % lanes
        row = held.sequences[lane, sequence]
        component[i], slot_index[i] = state.component[lane], state.slot_index[lane, sequence]
        keys[i], forgotten[i] = derive(state.key[lane], sequence), row[LOST]
        eligible[i], thinned[i] = row[ELIGIBLE], row[THINNED]
        first[i + 1] = first[i] + row[LAST] - row[FIRST]
    count = first[rows]
    starts, lengths = np.empty(count, np.int64), np.empty(count, np.int64)
    ends_document, control = np.empty(count, np.bool_), np.empty(count, np.int64)
    segment_keys, details = np.empty(count, np.uint64), np.empty((count, 4), np.int64)
    for i in range(rows):
        number, sequence = unit_at(position + i, sizes)
        lane = number % lanes
        begin, base = held.sequences[lane, sequence, FIRST], lane * held.tokens.shape[1]
        for segment in range(first[i], first[i + 1]):
            row = held.segments[lane, begin + segment - first[i]]
            starts[segment], lengths[segment] = base + row[TOKEN], row[LENGTH]
            ends_document[segment], control[segment] = row[ENDS] != 0, row[CONTROL]
            segment_keys[segment] = np.uint64(row[KEY])
            for j in range(4):
                details[segment, j] = row[DETAILS + j]
    tokens = held.tokens.reshape(-1)
    segments = Segments(
        tokens, starts, lengths, ends_document, control, segment_keys, details, first, forgotten,
        keys,
    )  # fmt: skip
    return Sequences(segments, component, slot_index, eligible, thinned)
