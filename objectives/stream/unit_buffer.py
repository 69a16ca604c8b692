"""The units in memory that the sequences of a batch are cut from.

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
from objectives.stream.sampler import PlanSizes, Sampler, SamplerState, unit_at
from objectives.tasks.batch import Segments

MAX_LANES = 1024
"""Units held at once: 64 MB of tokens, at two bytes each. A plan that interleaves more units gets
each unit read again for each of its sequences."""

SEGMENTS = 128
"""Initial room for the segments of a unit; the room grows when a unit has more. Ours: files have
1,200 tokens in the mean, units 32,000."""

Numbers = npt.NDArray[np.int64]


class Sequences(NamedTuple):
    """Consecutive sequences of the stream, before an objective makes rows of them.

    Attributes:
        segments: the segments of the sequences; valid until the next call of the buffer.
        component: int64 [n], index into the plan's components.
        slot_index: int64 [n], index into the slots of the stage.
        stage: index of the stage, the same for all sequences.
    """

    segments: Segments
    component: Numbers
    slot_index: Numbers
    stage: int


class HeldUnits(NamedTuple):
    """The content of the units, one for each lane.

    Attributes:
        tokens: uint16 or uint32 [lanes, U], as stored in the shards, without end tokens.
        table: int32 [lanes, room, 4], a row for each segment: its first address within the unit,
            its first token within `tokens`, its number of tokens, whether it ends its document.
        used: int64 [lanes, 3], addresses, tokens and segments that a lane holds.
    """

    tokens: npt.NDArray[Any]
    table: npt.NDArray[np.int32]
    used: Numbers


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
        max_lanes: int = MAX_LANES,
    ) -> None:
        """Make an empty buffer.

        Args:
            plan: the plan.
            components: the plan's components, in the plan's order.
            forgotten: (stage, component) -> the addresses that the stage leaves out, which are
                those of whole documents: int64 [k, 2], each row [start, stop), sorted and disjoint.
            max_lanes: how many units are held at most: a power of two.
        """
        self.sampler = Sampler(plan, max_lanes)
        self._components, self._forgotten = components, forgotten
        self._all_local = all(component.is_local for component in components)
        lanes = len(self.sampler.state.number)
        dtype = np.result_type(*{component.dtype for component in components})
        self._held = HeldUnits(
            np.empty((lanes, plan.unit_size), dtype),
            np.empty((lanes, SEGMENTS, 4), np.int32),
            np.zeros((lanes, 3), np.int64),
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
        reserved = sampler.reserved_tokens(position)
        return _cut(position, rows, stage, sampler.sizes, reserved, sampler.state, self._held)

    def _read_ahead(self, numbers: Sequence[int]) -> None:
        """Start to fetch remote units, and after them the units that follow in their lanes."""
        interleave = self.sampler.sizes.interleave
        for number in [*numbers, *(number + interleave for number in numbers)]:
            component, ranges = self.sampler.unit_ranges(number)
            if not self._components[component].is_local:
                for addresses in ranges:
                    self._components[component].ahead(addresses.address, addresses.size)

    def _load(self, lane: int, stage: int) -> None:
        """Read the unit of a lane."""
        state, sampler = self.sampler.state, self.sampler
        number = int(state.component[lane])
        component, addresses = self._components[number], int(sampler.addresses[number])
        forgotten = self._forgotten(stage, number)
        self._held.used[lane] = 0
        ranges = address_ranges(
            int(state.start[lane]), sampler.sizes.unit, addresses, sampler.keys[number]
        )
        for _, address, count in ranges.tolist():
            out = self._held.tokens[lane, self._held.used[lane, 1] :]
            tokens, ends = component.window(address, count, out)
            used = self._held.used[lane]
            self._make_room(int(used[2]) + len(ends) + 1)
            _append(len(tokens), ends, address, addresses, forgotten, self._held.table[lane], used)

    def _make_room(self, segments: int) -> None:
        """Make room for so many segments of a unit."""
        table = self._held.table
        if segments > table.shape[1]:
            more = np.empty((len(table), 1 << segments.bit_length(), 4), np.int32)
            more[:, : table.shape[1]] = table
            self._held = self._held._replace(table=more)


@compiled()
def _append(
    tokens: int,
    ends: Numbers,
    address: int,
    addresses: int,
    forgotten: Numbers,
    table: npt.NDArray[np.int32],
    used: Numbers,
) -> None:
    """Append the segments of one address range to a lane, without those of forgotten documents.

    Args:
        tokens: number of tokens in the range.
        ends: int64 [n], offsets of the end addresses in the range.
        address: first address of the range.
        addresses: of the component.
        forgotten: int64 [k, 2], as `UnitBuffer` has it.
        table: of the lane, as in HeldUnits.
        used: of the lane, as in HeldUnits; updated.
    """
    count, begin, token = tokens + len(ends), 0, 0
    for i in range(len(ends) + 1):
        ends_document = i < len(ends)
        stop = ends[i] + 1 if ends_document else count
        if stop > begin:
            size = stop - begin - ends_document
            first = (address + begin) % addresses
            gap = np.searchsorted(forgotten[:, 1], first, side="right")
            if gap == len(forgotten) or forgotten[gap, 0] > first:
                row = table[used[2]]
                row[0], row[1] = used[0] + begin, used[1] + token
                row[2], row[3] = size, ends_document
                used[2] += 1
            token += size
        begin = stop
    used[0] += count
    used[1] += tokens


@compiled()
def _cut(
    position: int,
    rows: int,
    stage: int,
    sizes: PlanSizes,
    reserved_tokens: Numbers,
    state: SamplerState,
    held: HeldUnits,
) -> Sequences:
    """Cut sequences out of their units."""
    lanes = len(state.number)
    first, begins = np.zeros(rows + 1, np.int64), np.empty(rows, np.int64)
    reserved, keys = np.empty(rows, np.int64), np.empty(rows, np.uint64)
    component, slot_index = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        number, sequence = unit_at(position + i, sizes)
        lane = number % lanes
        component[i], slot_index[i] = state.component[lane], state.slot_index[lane, sequence]
        reserved[i], keys[i] = reserved_tokens[slot_index[i]], derive(state.key[lane], sequence)
        table, stop = held.table[lane, : held.used[lane, 2]], state.offsets[lane, sequence + 1]
        begins[i] = _first_after(table, state.offsets[lane, sequence])
        last = _first_after(table, stop)
        if last < len(table) and table[last, 0] < stop:
            last += 1
        first[i + 1] = first[i] + last - begins[i]
    starts, lengths = np.empty(first[rows], np.int64), np.empty(first[rows], np.int64)
    ends_document = np.empty(first[rows], np.bool_)
    for i in range(rows):
        number, sequence = unit_at(position + i, sizes)
        lane = number % lanes
        for segment in range(first[i], first[i + 1]):
            row = held.table[lane, begins[i] + segment - first[i]]
            begin = max(state.offsets[lane, sequence] - row[0], 0)
            stop = min(state.offsets[lane, sequence + 1] - row[0], row[2] + row[3])
            skipped = min(begin, row[2])
            starts[segment] = lane * sizes.unit + row[1] + skipped
            lengths[segment] = min(stop, row[2]) - skipped
            ends_document[segment] = row[3] and stop == row[2] + row[3]
    tokens = held.tokens.reshape(-1)
    segments = Segments(tokens, starts, lengths, ends_document, first, reserved, keys)
    return Sequences(segments, component, slot_index, stage)


@compiled()
def _first_after(table: npt.NDArray[np.int32], address: int) -> int:
    """Return the first segment of a lane's table that ends after an address of the unit."""
    low, high = 0, len(table)
    while low < high:
        middle = (low + high) // 2
        if table[middle, 0] + table[middle, 2] + table[middle, 3] > address:
            high = middle
        else:
            low = middle + 1
    return low
