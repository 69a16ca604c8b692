"""The stream: any sequence or batch by its position, which is the only state."""

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from manifests.dataset.component import Component
from manifests.dataset.dataset import Dataset
from manifests.dataset.tombstones import NONE, Ranges, Tombstones
from manifests.errors import DataError, UsageError
from objectives.stream.plan import Plan
from objectives.stream.sampler import AddressRange
from objectives.stream.unit_buffer import Sequences, UnitBuffer
from objectives.tasks.batch import Batch
from objectives.tasks.registry import OBJECTIVES, prepare_objectives

STATE_FORMAT = 1

END = 1 << 62
"""Positions x L must be below it, because addresses are 64-bit integers."""

Forgotten = Callable[[Collection[str]], Ranges]


class Stream:
    """Sequences as a pure function of a plan and a position.

    Batches may be read in any order, of any size, by any number of processes. Each sequence is the
    same as if it were computed alone. Units that were read stay in memory for later batches
    (objectives.stream.unit_buffer), which changes no batch.

    Attributes:
        plan: the plan.
        sampler: the order of the plan.
        objectives: the objectives of the plan by name.
    """

    def __init__(
        self,
        plan: Plan,
        components: Mapping[str, Component],
        forgotten: Mapping[str, Forgotten] | None = None,
        tokenizer: str | None = None,
    ) -> None:
        """Join a plan to the components that it names.

        Args:
            plan: the plan.
            components: the components by their names in the plan.
            forgotten: component -> (names of tombstones) -> the addresses that they take; for the
                components that the plan's stages have tombstones of.
            tokenizer: path of the datasets' tokenizer.json, for objectives that cut tokens.

        Raises:
            UsageError: a component is missing, an objective needs control tokens that the
                vocabulary does not have, or its settings have faults.
            DataError: a component differs from the one that the plan was made from, or its
                tombstones are missing.
        """
        self.plan = plan
        self.objectives = plan.objectives()
        self._components = [_checked(plan, i, components) for i in range(len(plan.components))]
        self._forgotten = _forgotten_ranges(plan, forgotten or {})
        laws = prepare_objectives(self.objectives, tokenizer)
        self._numbers = {name: number for number, name in enumerate(OBJECTIVES)}
        self._objective_of_slot = np.array([self._numbers[name] for name in plan.slots], np.uint8)
        self._buffer = UnitBuffer(plan, self._components, self._forgotten_at, laws)
        self.sampler = self._buffer.sampler
        self._lock = threading.Lock()
        self._arguments = plan, dict(components), dict(forgotten or {}), tokenizer

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments: another process makes its own buffers and locks."""
        return type(self), self._arguments

    @classmethod
    def open(cls, plan: Plan) -> Self:
        """Open the datasets that a plan names."""
        datasets = {d: Dataset.open(d) for d in {c.dataset for c in plan.components}}
        components: dict[str, Component] = {
            c.name: datasets[c.dataset].component(c.source_name, heldout=c.heldout)
            for c in plan.components
        }
        tombstones = {d: Tombstones(d, dataset.manifest) for d, dataset in datasets.items()}
        forgotten = {
            c.name: partial(tombstones[c.dataset].ranges, c.source_name, c.heldout)
            for c in plan.components
        }
        tokenizer = datasets[plan.components[0].dataset].tokenizer_path
        return cls(plan, components, forgotten, tokenizer)

    def batch(self, position: int, rows: int) -> Batch:
        """Return the sequences at `position` .. `position + rows - 1`.

        Raises:
            UsageError: the position or the number of rows is negative or too large.
            DataError: a shard is damaged.
        """
        batch = Batch.empty(max(rows, 0), self.plan.sequence_length)
        self._write(batch, position, rows)
        return batch

    def tokens(self, position: int, rows: int) -> npt.NDArray[np.int64]:
        """Return the tokens of `batch` alone, int64 [rows, L].

        It is faster than `batch` for a plan of CLM. It raises the errors of `batch`.
        """
        objectives = self.objectives.values()
        if self.plan.task_tokens or not all(o.writes_tokens_only for o in objectives):
            return self.batch(position, rows).tokens
        batch = Batch.tokens_only(max(rows, 0), self.plan.sequence_length)
        self._write(batch, position, rows)
        return batch.tokens

    def _write(self, batch: Batch, position: int, rows: int) -> None:
        """Write the rows of a batch, as many at a time as the buffer holds."""
        if position < 0 or rows < 0 or (position + rows) * self.plan.sequence_length >= END:
            raise UsageError(f"stream: there is no position {position} with {rows} rows")
        with self._lock:
            done = 0
            while done < rows:
                sequences = self._buffer.sequences(position + done, rows - done)
                count = len(sequences.slot_index)
                self._fill(batch.part(done, done + count), sequences)
                done += count

    def _fill(self, batch: Batch, sequences: Sequences) -> None:
        """Let each objective write its rows of a batch."""
        batch.component[:] = sequences.component
        batch.objective[:] = self._objective_of_slot[sequences.slot_index]
        batch.eligible[:], batch.thinned[:] = sequences.eligible, sequences.thinned
        for name, objective in self.objectives.items():
            rows = np.flatnonzero(batch.objective == self._numbers[name])
            objective.fill(sequences.segments, rows, batch)

    @property
    def has_prefixes(self) -> bool:
        """Whether the sequences of any of the objectives have a prefix."""
        return any(objective.has_prefix for objective in self.objectives.values())

    def _forgotten_at(self, stage: int, component: int) -> Ranges:
        """Return the addresses of a component that a stage leaves out."""
        return self._forgotten.get((stage, component), NONE)

    def addresses(self, position: int) -> list[AddressRange]:
        """Return the addresses of the sequence at a position, those of forgotten documents too.

        Raises:
            UsageError: the position is negative.
            DataError: a shard is damaged.
        """
        if position < 0:
            raise UsageError(f"stream: there is no position {position}")
        with self._lock:
            return self._buffer.addresses(position)

    def origin(self, position: int) -> dict[str, Any]:
        """Return where the sequence at a position comes from.

        Returns:
            `component`, `epoch` and `unit` (of the unit's first address), `sequence` in the unit,
            `objective`, and `documents` in order. Each document has its
            number in the component as `document`, the first token that is in the sequence as
            `start`, the number of `tokens` in the sequence, its `epoch`, and its metadata as `row`.
        """
        if position < 0:
            raise UsageError(f"stream: there is no position {position}")
        location = self.sampler.locate(position)
        component = self._components[location.component]
        forgotten = self._forgotten_at(self.sampler.stage_index(position), location.component)
        documents = [
            row
            for addresses in self.addresses(position)
            for row in self._documents(component, addresses)
            if not _contains(forgotten, row.pop("address"))
        ]
        return {
            "component": self.plan.components[location.component].name,
            "epoch": location.epoch,
            "unit": location.unit,
            "sequence": location.sequence,
            "objective": location.objective,
            "documents": documents,
        }

    def _documents(self, component: Component, addresses: AddressRange) -> list[dict[str, Any]]:
        """Return a row for each document in a range of addresses."""
        first, opens_inside = component.document_at(addresses.address)
        rows, address = [], addresses.address
        lengths = component.window(addresses.address, addresses.size).lengths
        for index, length in enumerate(lengths.tolist()):
            document = (first + index) % component.documents
            start = 0
            row = _plain(component.origin(document))
            if index == 0 and opens_inside:
                start = row["tokens"] - self._tokens_left(component, addresses.address)
            described = {"document": document, "start": start, "tokens": length}
            address %= component.addresses
            rows.append({**described, "epoch": addresses.epoch, "row": row, "address": address})
            address += length + 1
        return rows

    def _tokens_left(self, component: Component, address: int) -> int:
        """Return how many tokens of a document lie from an address to the document's end."""
        count = self.plan.sequence_length
        while True:
            ends = component.window(address, count).ends
            if len(ends):
                return int(ends[0])
            count *= 2

    def counts(self, position: int) -> dict[str, dict[str, float]]:
        """Return the `addresses` and `epochs` of each component before a position.

        Counts are exact at multiples of C x K; see `Sampler.counts`.
        """
        counts = self.sampler.counts(position)
        return {
            component.name: {"addresses": count, "epochs": count / component.addresses}
            for component, count in zip(self.plan.components, counts, strict=True)
        }

    def state_dict(self, position: int) -> dict[str, Any]:
        """Return what a checkpoint needs to continue at `position`: under 300 bytes as JSON."""
        return {
            "format": STATE_FORMAT,
            "plan": self.plan.digest,
            "stages": self.plan.stages_digest(position),
            "position": position,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> int:
        """Return the position to continue from.

        Raises:
            UsageError: the state is of another plan, or stages before its position have changed.
        """
        position = state.get("position")
        if state.get("format") != STATE_FORMAT or not isinstance(position, int) or position < 0:
            raise UsageError("state: is not a stream's state")
        if state.get("plan") != self.plan.digest:
            raise UsageError(
                f"state: is of plan {str(state.get('plan'))[:12]}, not of {self.plan.digest[:12]}: "
                "its positions mean other sequences"
            )
        if state.get("stages") != self.plan.stages_digest(position):
            raise UsageError(
                f"state: the plan's stages before position {position} are not those that made it"
            )
        return position


def _checked(plan: Plan, index: int, components: Mapping[str, Component]) -> Component:
    """Return a component of the plan; raise an error if it is missing or has changed."""
    planned = plan.components[index]
    component = components.get(planned.name)
    if component is None:
        raise UsageError(f"{planned.dataset}: component {planned.name} is not there")
    for field in ("addresses", "documents", "digest"):
        here, there = getattr(component, field), getattr(planned, field)
        if here != there:
            raise DataError(
                f"{planned.dataset}: {planned.name}: {field} is {here}, but the plan was made "
                f"when it was {there}"
            )
    return component


def _forgotten_ranges(
    plan: Plan, tombstones: Mapping[str, Forgotten]
) -> dict[tuple[int, int], Ranges]:
    """Return (stage, component) -> the addresses that it leaves out, where there are any."""
    numbers = {component.name: number for number, component in enumerate(plan.components)}
    ranges = {}
    for stage, planned in enumerate(plan.stages):
        for name, applied in planned.tombstones.items():
            if name not in tombstones:
                raise DataError(f"plan: the tombstones of {name} are not there")
            ranges[stage, numbers[name]] = tombstones[name](applied)
    return ranges


def _contains(ranges: Ranges, address: int) -> bool:
    after = int(np.searchsorted(ranges[:, 1], address, side="right"))
    return after < len(ranges) and bool(ranges[after, 0] <= address)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with bytes as hexadecimal text, as JSON has it."""
    return {name: v.hex() if isinstance(v, bytes) else v for name, v in row.items()}
