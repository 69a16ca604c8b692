"""Position -> place: which addresses of which component stand there, and under which key."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from manifests.prng.splitmix import derive, shuffled
from objectives.stream.order import Piece, Shares, Unit, pieces, unit
from objectives.stream.plan import Plan
from objectives.tasks.slot import Slot


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sequence comes from.

    Attributes:
        component: index into the plan's components.
        unit: the unit, with its epoch and its number within that epoch.
        sequence: number of the sequence in its unit.
        slot: objective and allowance.
        key: what the objective draws its randomness from: a function of (seed, component's name,
            epoch, unit of the epoch, sequence).
        pieces: the addresses, cut at seams between epochs.
    """

    component: int
    unit: Unit
    sequence: int
    slot: Slot
    key: int
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A unit in its turn: its component, its key, the slot and the first address of a sequence."""

    component: int
    unit: Unit
    key: int
    slots: list[Slot]
    offsets: list[int]  # K + 1 of them, from 0 to the unit's size


class Places:
    """The order of a plan: any position, at the same price.

    Attributes:
        plan: whose order it is.
        addresses: of each component, the length of its ring.
        keys: of each component: what all its randomness is derived from.
        shares: of each stage: which unit is whose.
        before: of each stage: the units of each component that are drawn before it.
    """

    def __init__(self, plan: Plan) -> None:
        """Prepare the stages' trees; nothing grows with the size of the data."""
        self.plan = plan
        self.addresses = [component.addresses for component in plan.components]
        self.keys = [derive(plan.seed, component.name) for component in plan.components]
        self._starts = [stage.position for stage in plan.stages]
        self.shares = [Shares(stage.weights) for stage in plan.stages]
        self.before = self._drawn_before_stages()
        self._cache: dict[int, _Drawn] = {}

    def _drawn_before_stages(self) -> list[list[int]]:
        before = [[0] * len(self.addresses)]
        lengths = (b - a for a, b in zip(self._starts, self._starts[1:], strict=False))
        for shares, length in zip(self.shares, lengths, strict=False):
            counts = shares.counts(length // self.plan.sequences_per_unit)
            before.append([a + b for a, b in zip(before[-1], counts, strict=True)])
        return before

    def at(self, position: int) -> Place:
        """Return the place of a position (from 0 on, without end)."""
        group, inside = divmod(position, self.plan.group)
        sequence, lane = divmod(inside, self.plan.interleave)
        drawn = self._unit(group * self.plan.interleave + lane)
        start, stop = drawn.offsets[sequence : sequence + 2]
        return Place(
            component=drawn.component,
            unit=drawn.unit,
            sequence=sequence,
            slot=drawn.slots[sequence],
            key=derive(drawn.key, sequence),
            pieces=pieces(
                drawn.unit.start + start,
                stop - start,
                self.addresses[drawn.component],
                self.keys[drawn.component],
            ),
        )

    def unit_pieces(self, number: int) -> tuple[int, list[Piece]]:
        """Return the component of a unit of the stream, and the addresses of all of it."""
        drawn = self._unit(number)
        addresses, key = self.addresses[drawn.component], self.keys[drawn.component]
        found = pieces(drawn.unit.start, self.plan.unit_size, addresses, key)
        return drawn.component, found

    def counts(self, position: int) -> list[int]:
        """Return the addresses of each component that lie before `position`: the closed form."""
        group, inside = divmod(position, self.plan.group)
        stage = self.stage(group * self.plan.group)
        units = (group * self.plan.group - self._starts[stage]) // self.plan.sequences_per_unit
        drawn = self.shares[stage].counts(units)
        size = self.plan.unit_size
        counts = [
            (before + own) * size for before, own in zip(self.before[stage], drawn, strict=True)
        ]
        whole, lanes = divmod(inside, self.plan.interleave)
        for lane in range(self.plan.interleave if whole else lanes):
            current = self._unit(group * self.plan.interleave + lane)
            counts[current.component] += current.offsets[whole + (lane < lanes)]
        return counts

    def stage(self, position: int) -> int:
        """Return the number of the stage that a position lies in."""
        return bisect_right(self._starts, position) - 1

    def _unit(self, number: int) -> _Drawn:
        """Return a unit by its number in the stream; those of the current group are kept."""
        drawn = self._cache.get(number)
        if drawn is None:
            if len(self._cache) > 4 * self.plan.interleave + 256:
                self._cache.clear()
            drawn = self._cache[number] = self._draw(number)
        return drawn

    def _draw(self, number: int) -> _Drawn:
        plan = self.plan
        stage = self.stage(number * plan.sequences_per_unit)
        first = self._starts[stage] // plan.sequences_per_unit
        component, own = self.shares[stage].locate(number - first)
        own += self.before[stage][component]
        key = self.keys[component]
        found = unit(own, self.addresses[component], plan.unit_size, key)
        unit_key = derive(key, found.epoch, found.number)
        order = shuffled(unit_key, plan.sequences_per_unit)
        slots = [plan.stages[stage].slots[turn] for turn in order.tolist()]
        taken = (plan.sequence_length - slot.reserved_tokens for slot in slots)
        return _Drawn(component, found, unit_key, slots, list(accumulate(taken, initial=0)))
