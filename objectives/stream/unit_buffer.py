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
from objectives.stream.unit_pieces import UnitEnds, cut_pieces, read_ranges
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
    PIECE_COLUMNS,
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

ROOM = 128
"""Initial room for the segments of a unit; the room grows when a unit has more. Ours: files have
1,200 tokens in the mean, units 32,000."""

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


class ComponentOrder(NamedTuple):
    """What the order of each component depends on.

    Attributes:
        addresses: int64 [components], T.
        units: int64 [components], U.
        keys: uint64 [components], keys of the random numbers.
    """

    addresses: Numbers
    units: Numbers
    keys: npt.NDArray[np.uint64]


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
        self._all_local = all(component.is_local for component in components)
        self._pieces = np.empty((ROOM, PIECE_COLUMNS), np.int64)
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
        changed = sampler.draw(position, rows)
        if len(changed):
            try:
                if not self._all_local:
                    self._read_ahead(sampler.state.number[changed].tolist())
                self._load(changed, sampler.stage_index(position))
            except BaseException:
                sampler.state.number[changed] = -1
                raise
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

    def _load(self, lanes: Numbers, stage: int) -> None:
        """Read the units of some lanes, and lay them out."""
        sampler, state = self.sampler, self.sampler.state
        order = ComponentOrder(sampler.addresses, sampler.units, sampler.keys)
        ranges = _unit_ranges(lanes, state, order)
        components = [self._components[n] for n in state.component[ranges[:, 0]].tolist()]
        read = read_ranges(components, ranges, self._held.tokens)
        forgotten = [self._forgotten(stage, n) for n in state.component[lanes].tolist()]
        bounds = np.cumsum([0, *map(len, forgotten)])
        self._make_room(read.most_pieces)
        _lay_out(
            lanes, read, np.concatenate(forgotten), bounds, order, sampler.sizes, state,
            self._objectives, self._laws, self._pieces, self._held,
        )  # fmt: skip

    def _make_room(self, pieces: int) -> None:
        """Make room for so many pieces of a unit, and for its segments."""
        table = self._held.segments
        segments = pieces + self.sampler.sizes.sequences
        if segments > table.shape[1]:
            room = 1 << segments.bit_length()
            more = np.empty((len(table), room, SEGMENT_COLUMNS), np.int64)
            more[:, : table.shape[1]] = table
            self._held = self._held._replace(segments=more)
            self._pieces = np.empty((room, PIECE_COLUMNS), np.int64)


@compiled()
def _unit_ranges(lanes: Numbers, state: SamplerState, order: ComponentOrder) -> Numbers:
    """Return the ranges of the units of some lanes: int64 [n, 3], (lane, address, addresses)."""
    ranges, count = np.empty((2 * len(lanes), 3), np.int64), 0
    for lane in lanes:
        number = state.component[lane]
        size, addresses = order.units[number], order.addresses[number]
        parts = address_ranges(state.start[lane], size, addresses, order.keys[number])
        if count + len(parts) > len(ranges):
            more = np.empty((2 * (count + len(parts)), 3), np.int64)
            more[:count] = ranges[:count]
            ranges = more
        for i in range(len(parts)):
            ranges[count, 0], ranges[count, 1] = lane, parts[i, 1]
            ranges[count, 2] = parts[i, 2]
            count += 1
    return ranges[:count].copy()


@compiled()
def _lay_out(
    lanes: Numbers,
    read: UnitEnds,
    forgotten: Numbers,
    bounds: Numbers,
    order: ComponentOrder,
    sizes: PlanSizes,
    state: SamplerState,
    objectives: Numbers,
    laws: Laws,
    pieces: Numbers,
    held: HeldUnits,
) -> None:
    """Lay out the units of some lanes.

    Args:
        lanes: int64 [n].
        read: the units of the lanes, one after the other.
        forgotten: int64 [k, 2], the addresses that the units' components leave out, one after the
            other.
        bounds: int64 [n + 1], unit i has forgotten[bounds[i] : bounds[i + 1]].
        order: of the components.
        sizes: of the plan.
        state: of the sampler.
        objectives: int64 [K], the objective of each slot.
        laws: of the objectives.
        pieces: int64 [any, PIECE_COLUMNS], work memory.
        held: for the segments and sequences.
    """
    slots, at = np.empty(sizes.sequences, np.int64), 0
    for i in range(len(lanes)):
        lane = lanes[i]
        number = state.component[lane]
        left_out = forgotten[bounds[i] : bounds[i + 1]]
        count, at = cut_pieces(read, at, order.addresses[number], left_out, pieces)
        for j in range(len(slots)):
            slots[j] = objectives[state.slot_index[lane, j]]
        slack = sizes.sequences * sizes.length - order.units[number]
        lay_out(
            pieces[:count], held.tokens[lane], state.key[lane], slots, slack > 0, laws,
            sizes.length, slack, held.segments[lane], held.sequences[lane],
        )  # fmt: skip


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
