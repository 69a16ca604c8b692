"""The size of units: how many sequences they have, and how many addresses of each component.

Sample units of the component are laid out without a limit. Their K sequences take A addresses; the
other positions hold control tokens. A unit has the mean of A, less two deviations, or less if too
many segments of the sample units would stay plain for lack of positions.

Reading samples is exact where a histogram of lengths is not: it has the order of the documents, in
which short files lie together, and the tokens that fill-in-the-middle cuts.
"""

import logging
from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.dataset.component import Component
from manifests.dataset.dataset import Dataset
from manifests.dataset.tombstones import NONE as NOTHING
from manifests.errors import UsageError
from manifests.mixture.resolve import Member, Resolved
from manifests.prng.splitmix import derive_key, shuffled
from objectives.stream.order import address_ranges
from objectives.stream.unit_pieces import cut_pieces, read_ranges
from objectives.tasks.law import NONE, Laws, tables_of
from objectives.tasks.layout import (
    ELIGIBLE,
    PIECE_COLUMNS,
    SEGMENT_COLUMNS,
    SEQUENCE_COLUMNS,
    STOP,
    THINNED,
    UNLIMITED,
    lay_out,
)
from objectives.tasks.objective import Objective
from objectives.tasks.registry import (
    MAX_SEQUENCES,
    common_denominator,
    make_slots,
    prepare_objectives,
)

LOG = logging.getLogger(__name__)

Table = npt.NDArray[np.int64]

WINDOWS = 64
"""Sample units of a component. Ours: the deviation of 64 samples is known to 9 %, and 64 units take
4 MB at K = 16, L = 2,048 and two bytes a token."""

MIN_WINDOWS, MAX_WINDOWS = 16, 2048
"""Sample units of a component, and of all components, where there are many components."""

DEVIATIONS = 2
"""Deviations of A that a unit leaves free."""

MAX_THINNED = 0.002
"""Largest share of segments in the sample units that are thinned for lack of positions. Ours: a
fifth of 1 %, because other units have more. A unit leaves more free where two deviations do not
suffice."""

WARNED = 0.01
"""Share of thinned segments from which on the planner warns. Ours: above it, the batches no longer
have the law of the objectives."""

SEQUENCES_PER_UNIT = 16
"""Least K of a large mixture. Ours: with 2,048 tokens a sequence, a unit has 32,000 tokens, small
enough that a batch mixes many repositories, and large enough that units are read from disk in long
runs."""

MIN_SEQUENCES_PER_UNIT = 4
"""Least K of a small mixture. Ours: smaller units have more padding."""

MAX_PADDING = 0.005
"""K grows until a unit has no more padding than this in the mean. Ours: two deviations of the
number of control tokens; half a percent of the compute."""


class UnitSize(NamedTuple):
    """How many addresses a unit of a component has."""

    addresses: int
    """U."""
    padding: float
    """Mean share of the unit's positions that hold padding."""
    thinned: float = 0.0
    """Share of the eligible segments that stay plain, or have fewer spans."""


class Units(NamedTuple):
    """The units of a plan.

    Attributes:
        slots: the objective of each of the K sequences of a unit.
        interleave: C.
        sizes: of the units of each component.
    """

    slots: list[str]
    interleave: int
    sizes: list[UnitSize]


def choose_units(
    resolved: Resolved,
    shares: Mapping[str, float],
    objectives: Mapping[str, Objective[Any]],
    batch: int,
    length: int,
) -> Units:
    """Choose K and C, and measure the units of each component.

    K is a multiple of the common denominator of the shares. It grows until the mean padding is at
    most MAX_PADDING.

    Args:
        resolved: the mixture.
        shares: of the objectives.
        objectives: in the order of the registry.
        batch: sequences of the largest batch.
        length: L.

    Raises:
        UsageError: no K has the shares, or an objective does not fit the tokenizer.
    """
    step = common_denominator(shares)
    epoch = sum(member.addresses for member in resolved.members)
    sequences, interleave = first_sizes(1 << (batch - 1).bit_length(), length, epoch, step)
    largest = min(MAX_SEQUENCES, epoch // (8 * interleave * length))
    measurer = _Measurer(resolved, objectives, length)
    while True:
        slots = make_slots(shares, sequences)
        sizes = measurer.sizes(slots)
        padding, thinned = np.array(resolved.shares()) @ [(s.padding, s.thinned) for s in sizes]
        if padding <= MAX_PADDING or sequences + step > largest:
            _warn_of_thinned(thinned, resolved.control.masks)
            return Units(slots, interleave, sizes)
        # The deviation grows with the square root of K.
        wanted = min(int(sequences * (padding / MAX_PADDING) ** 2), largest)
        sequences = max(sequences + step, wanted // step * step)


def _warn_of_thinned(thinned: float, masks: int) -> None:
    if thinned > WARNED:
        LOG.warning(
            "%.1f %% of the segments that the objectives change will have fewer spans than drawn, "
            "or none: a sequence has too few positions, or the vocabulary too few masks (%d)",
            100 * thinned, masks,
        )  # fmt: skip


class _Measurer:
    """Measures the units of a mixture's components; opens datasets only if that is needed."""

    def __init__(
        self, resolved: Resolved, objectives: Mapping[str, Objective[Any]], length: int
    ) -> None:
        self._resolved, self._length = resolved, length
        self._names = list(objectives)
        self._laws = tables_of([objective.law_with_task for objective in objectives.values()])
        self._datasets: dict[str, Dataset] = {}
        if (self._laws.numbers[:, 0] != NONE).any():
            names = sorted({member.dataset for member in resolved.members})
            self._datasets = {name: Dataset.open(name) for name in names}
            tokenizer = self._datasets[resolved.members[0].dataset].tokenizer_path
            self._laws = prepare_objectives(objectives, tokenizer)

    def sizes(self, slots: Sequence[str]) -> list[UnitSize]:
        """Return the unit size of each component."""
        rows, length = [self._names.index(name) for name in slots], self._length
        around = sum(int(self._laws.numbers[row, 1]) for row in rows)
        if around >= len(slots) * length:
            raise UsageError(f"sequence_length: {length} has no room for the control tokens")
        if not self._datasets:
            size = UnitSize(len(slots) * length - around, 0.0)
            return [size] * len(self._resolved.members)
        seed = self._resolved.mixture.seed
        each = MAX_WINDOWS // len(self._resolved.members)
        windows = max(MIN_WINDOWS, min(WINDOWS, each))
        return [
            measure(self._component(member), member.name, seed, rows, self._laws, length, windows)
            for member in self._resolved.members
        ]

    def _component(self, member: Member) -> Component:
        name = member.name.split("@")[0]
        return self._datasets[member.dataset].component(name, heldout=member.heldout)


class SampleUnits:
    """Sample units of a component, as large as their sequences without control tokens."""

    def __init__(
        self, component: Component, key: int, slots: Sequence[int], laws: Laws, length: int
    ) -> None:
        """Prepare to read; `slots` are the objectives of the sequences, as rows of `laws`."""
        self._component, self._key, self._laws = component, key, laws
        self._slots, self._length = np.array(slots, np.int64), length
        self._sequences = np.empty((len(slots), SEQUENCE_COLUMNS), np.int64)

    def read(self, windows: int) -> "list[SampleUnit]":
        """Read sample units at random offsets, which may lie in any order of epochs."""
        positions, addresses = len(self._slots) * self._length, self._component.addresses
        keys = [derive_key(self._key, "unit size", number) for number in range(windows)]
        offsets = [derive_key(key, "offset") * addresses >> 64 for key in keys]
        ranges = np.array(
            [
                (row, address, count)
                for row, (key, offset) in enumerate(zip(keys, offsets, strict=True))
                for _, address, count in address_ranges(
                    offset, positions, addresses, np.uint64(key)
                ).tolist()
            ]
        )
        if not self._component.is_local:
            for _, address, count in ranges.tolist():
                self._component.ahead(address, count)
        tokens = np.empty((windows, positions), self._component.dtype)
        read = read_ranges([self._component] * len(ranges), ranges, tokens)
        pieces, at, units = np.empty((read.most_pieces, PIECE_COLUMNS), np.int64), 0, []
        for row, key in enumerate(keys):
            count, at = cut_pieces(read, at, addresses, NOTHING, pieces)
            slots = self._slots[shuffled(key, len(self._slots))]
            units.append(SampleUnit(key, pieces[:count].copy(), tokens[row], slots))
        return units

    def taken(self, units: "Sequence[SampleUnit]") -> tuple[list[int], float]:
        """Return how many addresses each unit takes without a limit, and the thinned share.

        Segments are then thinned for lack of masks alone.
        """
        taken, counts = list[int](), np.zeros(2, np.int64)
        for unit in units:
            counts += self._lay_out(unit, unit.pieces, UNLIMITED)
            taken.append(int(self._sequences[-1, STOP]))
        return taken, _share(counts)

    def thinned(self, units: "Sequence[SampleUnit]", size: int) -> float:
        """Return the share of the eligible segments that are thinned in units of `size`."""
        counts, slack = np.zeros(2, np.int64), len(self._slots) * self._length - size
        for unit in units:
            counts += self._lay_out(unit, first_addresses(unit.pieces, size), slack)
        return _share(counts)

    def _lay_out(self, unit: "SampleUnit", pieces: Table, slack: int) -> Table:
        """Lay out a unit; return how many of its segments are eligible, and how many thinned."""
        segments = np.empty((len(pieces) + len(self._slots), SEGMENT_COLUMNS), np.int64)
        lay_out(
            pieces, unit.tokens, np.uint64(unit.key), unit.slots, False, self._laws, self._length,
            slack, segments, self._sequences,
        )  # fmt: skip
        counts: Table = self._sequences[:, [ELIGIBLE, THINNED]].sum(axis=0)
        return counts


class SampleUnit(NamedTuple):
    """A sample unit: its key, pieces and tokens, and the objective of each sequence."""

    key: int
    pieces: Table
    tokens: npt.NDArray[Any]
    slots: Table


def _share(counts: Table) -> float:
    """Return the share of thinned segments, of the numbers of eligible and thinned ones."""
    return float(counts[1] / max(counts[0], 1))


def first_addresses(pieces: Table, size: int) -> Table:
    """Return the pieces of the first `size` addresses of a unit that has as many."""
    stops = np.cumsum(pieces[:, 1] + pieces[:, 2])
    last = int(np.searchsorted(stops, size))
    kept = pieces[: last + 1].copy()
    if stops[last] > size:
        kept[last, 1] -= stops[last] - size - kept[last, 2]
        kept[last, 2] = 0
    return kept


def measure(
    component: Component,
    name: str,
    seed: int,
    slots: Sequence[int],
    laws: Laws,
    length: int,
    windows: int = WINDOWS,
) -> UnitSize:
    """Measure the size of a component's units.

    Args:
        component: the component.
        name: its name in the plan, for random numbers.
        seed: of the plan.
        slots: the objective of each slot, as a row of `laws`.
        laws: of the objectives.
        length: L.
        windows: number of sample units.
    """
    samples = SampleUnits(component, derive_key(seed, name), slots, laws, length)
    units = samples.read(windows)
    taken, without_masks = samples.taken(units)
    total = sum(taken)
    # In integers, so that each machine has the same result.
    deviation = isqrt(windows * sum(n * n for n in taken) - total * total)
    size = max(1, (total - DEVIATIONS * deviation) // windows)
    step = max(1, deviation // (2 * windows))
    least = min(size, max(1, min(taken)))
    thinned = samples.thinned(units, size)
    while size > least and thinned - without_masks > MAX_THINNED:
        size = max(least, size - step)
        thinned = samples.thinned(units, size)
    return UnitSize(size, 1 - size * windows / total, thinned)


def first_sizes(interleave: int, length: int, epoch: int, step: int) -> tuple[int, int]:
    """Return K, a multiple of `step`, and C such that C x K x L is at most an eighth of the epoch.

    K shrinks first, then C. Ours: C interleaved units are then a small window on the data. The
    function returns the same for the C that it returned, with which a continued run calls it.
    """
    multiples = range(step, MAX_SEQUENCES + 1, step)
    least = next((k for k in multiples if k >= MIN_SEQUENCES_PER_UNIT), multiples[-1])
    sequences = next((k for k in multiples if k >= SEQUENCES_PER_UNIT), multiples[-1])
    wanted = sequences, interleave
    while sequences > least and 8 * interleave * sequences * length > epoch:
        sequences = -(-sequences // (2 * step)) * step
        # A continued run begins with a smaller C. Without K between these two, its K is the same.
        sequences = sequences if sequences >= 2 * least else least
    while interleave > 1 and 8 * interleave * sequences * length > epoch:
        interleave //= 2
    if (sequences, interleave) != wanted:
        LOG.warning(
            "the mixture has only %s tokens: a unit has %d sequences (%d for a large mixture), "
            "and %d units are interleaved (%d for a large mixture)",
            f"{epoch:,}", sequences, wanted[0], interleave, wanted[1],
        )  # fmt: skip
    return sequences, interleave
