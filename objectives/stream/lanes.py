"""Units in their turn, compiled: what `Places` says of a position, for whole batches.

C units are interleaved, so unit `number` of the stream has the lane `number mod C` to itself until
the C units after it have their turn. What is drawn of a unit stays in its lane for all its
sequences; lanes hold nothing that is not a function of the plan and the unit's number.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import derive, draw
from objectives.stream.order_kernels import locate, unit
from objectives.stream.sampler import Places

Numbers = npt.NDArray[np.int64]


class Drawn(NamedTuple):
    """Units by lane.

    Attributes:
        number: int64 [lanes], the unit's number in the stream; -1 for none.
        component: int64 [lanes], index into the plan's components.
        start: int64 [lanes], its first endless address.
        key: uint64 [lanes], what its sequences' keys are derived from.
        turns: int64 [lanes, K], index into the stage's slots of each of its sequences.
        offsets: int64 [lanes, K + 1], where its sequences start, and where the last one stops.
    """

    number: Numbers
    component: Numbers
    start: Numbers
    key: npt.NDArray[np.uint64]
    turns: Numbers
    offsets: Numbers

    @classmethod
    def empty(cls, lanes: int, sequences: int) -> "Drawn":
        """Return lanes that hold no unit."""
        return cls(
            np.full(lanes, -1, np.int64),
            np.zeros(lanes, np.int64),
            np.zeros(lanes, np.int64),
            np.zeros(lanes, np.uint64),
            np.zeros((lanes, sequences), np.int64),
            np.zeros((lanes, sequences + 1), np.int64),
        )


class Shape(NamedTuple):
    """The numbers of a plan that every position needs."""

    length: int
    """L, tokens of a sequence."""
    sequences: int
    """K, of a unit."""
    interleave: int
    """C, units side by side."""
    size: int
    """U, addresses of a unit."""


class _Stage(NamedTuple):
    first: int
    """Number of its first unit."""
    before: Numbers
    """int64 [components], units drawn before it."""
    nodes: Numbers
    """int64 [n, 4], the tree of its weights."""
    root: int
    allowances: Numbers
    """int64 [K], of its slots."""


class Lanes:
    """The lanes of a plan: `drawn` holds the units that `draw` was last asked for.

    Attributes:
        shape: numbers of the plan.
        addresses: int64 [components], the length of each ring.
        keys: uint64 [components].
        drawn: the units by lane.
    """

    def __init__(self, places: Places, most: int) -> None:
        """Make lanes for the plan of `places`: C of them, or `most`, a power of two, where fewer.

        With fewer than C, a unit is drawn again for each of its sequences.
        """
        plan = places.plan
        self.shape = Shape(
            plan.sequence_length, plan.sequences_per_unit, plan.interleave, plan.unit_size
        )
        self.addresses = np.array(places.addresses, np.int64)
        self.keys = np.array(places.keys, np.uint64)
        self.drawn = Drawn.empty(min(plan.interleave, most), plan.sequences_per_unit)
        self._places = places
        self._known = -1, self._stage(0)

    def together(self, position: int) -> int:
        """Return how many sequences from a position on can be in their lanes at once."""
        lanes, interleave, sequences = len(self.drawn.number), *self.shape[2:0:-1]
        span = interleave * sequences if lanes == interleave else lanes
        return span - position % span

    @property
    def allowances(self) -> Numbers:
        """Of the slots of the stage that was drawn from last: int64 [K]."""
        return self._known[1].allowances

    def draw(self, position: int, rows: int) -> Numbers:
        """Have the units of `rows` sequences in their lanes; return the lanes that changed."""
        number = self._places.stage(position)
        if self._known[0] != number:
            self._known = number, self._stage(number)
        rings = self.addresses, self.keys
        return _draw(position, rows, self.shape, self._known[1], *rings, self.drawn)

    def _stage(self, number: int) -> _Stage:
        stage, shares = self._places.plan.stages[number], self._places.shares[number]
        return _Stage(
            stage.position // self.shape.sequences,
            np.array(self._places.before[number], np.int64),
            shares.nodes,
            shares.root,
            np.array([slot.reserved_tokens for slot in stage.slots], np.int64),
        )


@compiled()
def unit_at(position: int, shape: Shape) -> tuple[int, int]:
    """Return the number in the stream of a position's unit, and the sequence's number in it."""
    group, inside = divmod(position, shape.interleave * shape.sequences)
    sequence, lane = divmod(inside, shape.interleave)
    return group * shape.interleave + lane, sequence


@compiled()
def _draw(
    position: int,
    rows: int,
    shape: Shape,
    stage: _Stage,
    addresses: Numbers,
    keys: npt.NDArray[np.uint64],
    drawn: Drawn,
) -> Numbers:
    lanes = len(drawn.number)
    changed, count = np.empty(min(rows, lanes), np.int64), 0
    for at in range(position, position + rows):
        number, _ = unit_at(at, shape)
        lane = number % lanes
        if drawn.number[lane] == number:
            continue
        changed[count] = lane
        count += 1
        component, own = locate(stage.nodes, stage.root, len(keys), number - stage.first)
        own += stage.before[component]
        key = keys[component]
        epoch, of_epoch, start = unit(own, addresses[component], shape.size, key)
        drawn.number[lane], drawn.component[lane], drawn.start[lane] = number, component, start
        drawn.key[lane] = derive(derive(key, epoch), of_epoch)
        _deal(
            drawn.key[lane], stage.allowances, shape.length, drawn.turns[lane], drawn.offsets[lane]
        )
    return changed[:count]


@compiled()
def _deal(
    key: np.uint64, allowances: Numbers, length: int, turns: Numbers, offsets: Numbers
) -> None:
    """Deal the slots to a unit's sequences; see `splitmix.shuffled`."""
    numbers = np.empty(len(turns), np.uint64)
    for i in range(len(turns)):
        numbers[i] = draw(key, i)
    turns[:] = np.argsort(numbers, kind="mergesort")
    for i in range(len(turns)):
        offsets[i + 1] = offsets[i] + length - allowances[turns[i]]
