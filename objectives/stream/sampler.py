"""The sampler: which addresses of which component lie at a position of the stream.

C units are interleaved. Unit `number` of the stream has lane `number mod C` for itself until the
next C units follow. A SamplerState holds one drawn unit for each lane, for all of its sequences. It
is a cache: everything in it is a function of the plan and the unit's number.
"""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix import derive, derive_key, draw
from objectives.stream.order import WeightedInterleave, address_ranges, component_of, unit
from objectives.stream.plan import Plan

Numbers = npt.NDArray[np.int64]


class AddressRange(NamedTuple):
    """`size` addresses of a component from `address` on, in one epoch; may wrap around to 0."""

    epoch: int
    address: int
    size: int


class Location(NamedTuple):
    """Where the sequence at a position comes from.

    Attributes:
        component: index into the plan's components.
        epoch: the epoch that owns the sequence's unit.
        unit: number of the unit within that epoch.
        sequence: number of the sequence within its unit.
        objective: name of the objective.
        key: key of the sequence's random numbers: a function of (seed, component's name, epoch,
            unit, sequence).
        ranges: the addresses of the unit; a new range begins where the next epoch begins.
    """

    component: int
    epoch: int
    unit: int
    sequence: int
    objective: str
    key: int
    ranges: list[AddressRange]


class PlanSizes(NamedTuple):
    """The sizes of a plan that each position depends on."""

    length: int
    """L, tokens of a sequence."""
    sequences: int
    """K, sequences of a unit."""
    interleave: int
    """C, interleaved units."""


class SamplerState(NamedTuple):
    """The units that were drawn last, one for each lane.

    Attributes:
        number: int64 [lanes], number of the unit in the stream; -1 for none.
        component: int64 [lanes], index into the plan's components.
        epoch: int64 [lanes], the epoch that owns the unit.
        unit: int64 [lanes], number of the unit within its epoch.
        start: int64 [lanes], first global offset of the unit.
        key: uint64 [lanes], key of the unit; the keys of its sequences are derived from it.
        slot_index: int64 [lanes, K], for each sequence its index into the plan's slots.
    """

    number: Numbers
    component: Numbers
    epoch: Numbers
    unit: Numbers
    start: Numbers
    key: npt.NDArray[np.uint64]
    slot_index: Numbers

    @classmethod
    def empty(cls, lanes: int, sequences: int) -> "SamplerState":
        """Return a state of `lanes` lanes without units, for units of `sequences` sequences."""
        return cls(
            number=np.full(lanes, -1, np.int64),
            component=np.zeros(lanes, np.int64),
            epoch=np.zeros(lanes, np.int64),
            unit=np.zeros(lanes, np.int64),
            start=np.zeros(lanes, np.int64),
            key=np.zeros(lanes, np.uint64),
            slot_index=np.zeros((lanes, sequences), np.int64),
        )


class _Stage(NamedTuple):
    first: int
    """Number of the stage's first unit in the stream."""
    before: Numbers
    """int64 [components], units of each component before the stage."""
    nodes: Numbers
    """int64 [n, 4], `nodes` of the stage's WeightedInterleave."""
    root: int


class Sampler:
    """The order of a plan. Any position costs the same.

    Attributes:
        plan: the plan.
        sizes: the plan's L, K and C.
        addresses: int64 [components], number of addresses.
        units: int64 [components], addresses of a unit.
        keys: uint64 [components], keys of the components' random numbers.
        state: the units that `draw` drew last.
    """

    def __init__(self, plan: Plan, max_lanes: int = 1) -> None:
        """Prepare the tables of each stage.

        Args:
            plan: the plan.
            max_lanes: a power of two. The state has C lanes, or `max_lanes` if that is less; with
                fewer than C lanes `draw` draws a unit again for each of its sequences.
        """
        self.plan = plan
        self.sizes = PlanSizes(plan.sequence_length, plan.sequences_per_unit, plan.interleave)
        self.addresses = np.array([c.addresses for c in plan.components], np.int64)
        self.units = np.array([c.unit_size for c in plan.components], np.int64)
        keys = [derive_key(plan.seed, c.name) for c in plan.components]
        self.keys = np.array(keys, np.uint64)
        self.state = SamplerState.empty(min(plan.interleave, max_lanes), self.sizes.sequences)
        self._starts = [stage.position for stage in plan.stages]
        self._interleaves = [WeightedInterleave(stage.weights) for stage in plan.stages]
        self._stages = self._make_stages()

    def _make_stages(self) -> list[_Stage]:
        """Return the tables of each stage, in order."""
        before, stages = np.zeros(len(self.addresses), np.int64), list[_Stage]()
        for stage, interleave in zip(self.plan.stages, self._interleaves, strict=True):
            first = stage.position // self.sizes.sequences
            if stages:
                units = first - stages[-1].first
                before = before + self._interleaves[len(stages) - 1].counts(units)
            stages.append(_Stage(first, before, interleave.nodes, interleave.root))
        return stages

    def stage_index(self, position: int) -> int:
        """Return the index of the stage that a position lies in."""
        return bisect_right(self._starts, position) - 1

    def max_rows(self, position: int) -> int:
        """Return how many sequences from a position on `draw` can hold in lanes at once."""
        lanes, (_, sequences, interleave) = len(self.state.number), self.sizes
        span = interleave * sequences if lanes == interleave else lanes
        return span - position % span

    def draw(self, position: int, rows: int, state: SamplerState | None = None) -> Numbers:
        """Bring the units of the next `rows` sequences into their lanes.

        Args:
            position: of the first sequence.
            rows: at most `max_rows(position)`.
            state: where the units go; by default `self.state`.

        Returns:
            The lanes that have another unit than before: int64 [n].
        """
        state = state or self.state
        stage = self._stages[self.stage_index(position)]
        return _draw(
            position, rows, self.sizes, stage, self.addresses, self.units, self.keys, state
        )

    def locate(self, position: int) -> Location:
        """Return where the sequence at a position (from 0, without end) comes from."""
        state = SamplerState.empty(1, self.sizes.sequences)
        self.draw(position, 1, state)
        component, key = int(state.component[0]), state.key[0]
        _, sequence = unit_at(position, self.sizes)
        return Location(
            component=component,
            epoch=int(state.epoch[0]),
            unit=int(state.unit[0]),
            sequence=sequence,
            objective=self.plan.slots[state.slot_index[0, sequence]],
            key=int(derive(key, sequence)),
            ranges=self.ranges(component, int(state.start[0]), int(self.units[component])),
        )

    def unit_ranges(self, number: int) -> tuple[int, list[AddressRange]]:
        """Return the component and the addresses of a unit, by its number in the stream."""
        group, lane = divmod(number, self.sizes.interleave)
        location = self.locate(group * self.plan.group + lane)
        return location.component, location.ranges

    def ranges(self, component: int, start: int, count: int) -> list[AddressRange]:
        """Return the addresses of global offsets `start` .. `start + count - 1` of a component."""
        if not count:
            return []
        ranges = address_ranges(start, count, self.addresses[component], self.keys[component])
        return [AddressRange(*row) for row in ranges.tolist()]

    def counts(self, position: int) -> list[int]:
        """Return how many addresses of each component lie before a position, in closed form.

        Of a unit whose sequences lie partly before the position, that share of its addresses is
        counted, rounded down.
        """
        group, inside = divmod(position, self.plan.group)
        first = group * self.plan.group
        index = self.stage_index(first)
        stage, (_, sequences, interleave) = self._stages[index], self.sizes
        units = self._interleaves[index].counts(first // sequences - stage.first)
        counts = (stage.before + units) * self.units
        if inside:
            state = SamplerState.empty(interleave, sequences)
            self.draw(first, interleave, state)
            whole, lanes = divmod(inside, interleave)
            before = whole + (np.arange(interleave) < lanes)
            np.add.at(counts, state.component, self.units[state.component] * before // sequences)
        result: list[int] = counts.tolist()
        return result


@compiled()
def unit_at(position: int, sizes: PlanSizes) -> tuple[int, int]:
    """Return the number in the stream of a position's unit, and the sequence's number in it."""
    group, inside = divmod(position, sizes.interleave * sizes.sequences)
    sequence, lane = divmod(inside, sizes.interleave)
    return group * sizes.interleave + lane, sequence


@compiled()
def _draw(
    position: int,
    rows: int,
    sizes: PlanSizes,
    stage: _Stage,
    addresses: Numbers,
    units: Numbers,
    keys: npt.NDArray[np.uint64],
    state: SamplerState,
) -> Numbers:
    """Bring the units of `rows` sequences into their lanes; return the lanes that changed."""
    lanes = len(state.number)
    changed, count = np.empty(min(rows, lanes), np.int64), 0
    for at in range(position, position + rows):
        number, _ = unit_at(at, sizes)
        lane = number % lanes
        if state.number[lane] == number:
            continue
        changed[count] = lane
        count += 1
        component, drawn = component_of(stage.nodes, stage.root, len(keys), number - stage.first)
        drawn += stage.before[component]
        key = keys[component]
        epoch, of_epoch, start = unit(drawn, addresses[component], units[component], key)
        state.number[lane], state.component[lane] = number, component
        state.epoch[lane], state.unit[lane], state.start[lane] = epoch, of_epoch, start
        state.key[lane] = derive(derive(key, epoch), of_epoch)
        _assign_slots(state.key[lane], state.slot_index[lane])
    return changed[:count]


@compiled()
def _assign_slots(key: np.uint64, slot_index: Numbers) -> None:
    """Assign slots to the sequences of a unit, in the order of the key's first numbers."""
    numbers = np.empty(len(slot_index), np.uint64)
    for i in range(len(slot_index)):
        numbers[i] = draw(key, i)
    slot_index[:] = np.argsort(numbers, kind="mergesort")
