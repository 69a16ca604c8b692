"""The stream: any sequence or batch by its position, which is the whole state there is."""

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from manifests.config import Config, parse_config
from manifests.dataset.dataset import Dataset
from manifests.dataset.token_range import Component
from manifests.dataset.tombstones import NONE, Ranges, Tombstones
from manifests.errors import DataError, UsageError
from objectives.stream.plan import Plan
from objectives.stream.sampler import AddressRange
from objectives.stream.unit_buffer import Sequences, UnitBuffer
from objectives.tasks.batch import Batch
from objectives.tasks.registry import OBJECTIVES, PREFIXED

STATE_FORMAT = 1

END = 1 << 62
"""Positions x L stay below it, for addresses are 64-bit numbers: 10^15 times what was ever read."""

Forgotten = Callable[[Collection[str]], Ranges]


class Stream:
    """Sequences as a pure function of a plan and a position.

    Batches may be asked for in any order, of any size, by any number of processes, and each
    sequence is the same as if it had been computed alone. What was read stays in memory for the
    batches that follow, up to 1,024 units (objectives.stream.unit_buffer), and decides nothing.
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
            plan: what stands where.
            components: by the plan's names for them.
            forgotten: component -> (names of tombstones) -> the addresses that they take; of the
                components that the plan's stages have tombstones of.
            tokenizer: path of their tokenizer.json, for objectives that cut tokens.

        Raises:
            UsageError: a component is missing, or an objective needs control ids that the
                vocabulary does not have, or its settings have faults.
            DataError: a component is not the one that the plan was made from, or its tombstones are
                not there.
        """
        self.plan = plan
        self._components = [_checked(plan, i, components) for i in range(len(plan.components))]
        self._forgotten = _forgotten(plan, forgotten or {})
        self._numbers = {name: number for number, name in enumerate(OBJECTIVES)}
        self._settings = _settings(plan)
        self._tables = _tables(self._settings, tokenizer)
        self._objectives = [
            np.array([self._numbers[slot.objective] for slot in stage.slots], np.uint8)
            for stage in plan.stages
        ]
        self._units = UnitBuffer(plan, self._components, self._left_out)
        self.sampler = self._units.sampler
        self._lock = threading.Lock()
        self._made_of = plan, dict(components), dict(forgotten or {}), tokenizer

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes its own."""
        return type(self), self._made_of

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
            UsageError: the position or the number of rows is negative, or above all bounds.
            DataError: a shard is damaged.
        """
        batch = Batch.empty(max(rows, 0), self.plan.sequence_length)
        self._write(batch, position, rows)
        return batch

    def tokens(self, position: int, rows: int) -> npt.NDArray[np.int64]:
        """Return the tokens alone, int64 [rows, L]: for a trainer that learns all of them alike.

        Of a plan of CLM they come faster than a whole batch. Raises what `batch` does.
        """
        if self._settings.keys() != {"clm"}:
            return self.batch(position, rows).tokens
        batch = Batch.tokens_only(max(rows, 0), self.plan.sequence_length)
        self._write(batch, position, rows)
        return batch.tokens

    def _write(self, batch: Batch, position: int, rows: int) -> None:
        if position < 0 or rows < 0 or (position + rows) * self.plan.sequence_length >= END:
            raise UsageError(f"stream: there is no position {position} with {rows} rows")
        with self._lock:
            done = 0
            while done < rows:
                sequences = self._units.sequences(position + done, rows - done)
                count = len(sequences.slot_index)
                self._fill(batch.part(done, done + count), sequences)
                done += count

    @property
    def has_prefixes(self) -> bool:
        """Whether any of its objectives lets positions at the front see each other."""
        return not PREFIXED.isdisjoint(self._settings)

    def _left_out(self, stage: int, component: int) -> Ranges:
        """Return the addresses of a component that a stage leaves out."""
        return self._forgotten.get((stage, component), NONE)

    def _fill(self, batch: Batch, sequences: Sequences) -> None:
        batch.component[:] = sequences.component
        batch.objective[:] = self._objectives[sequences.stage][sequences.slot_index]
        for name, settings in self._settings.items():
            mine = np.flatnonzero(batch.objective == self._numbers[name])
            OBJECTIVES[name].fill(
                sequences.segments,
                mine,
                batch,
                self.plan.control,
                settings,
                **self._tables[name],
            )

    def origin(self, position: int) -> dict[str, Any]:
        """Return where the sequence at a position comes from.

        `component`, `epoch` and `unit` (of its first address), `sequence` of the unit, `objective`,
        and `documents`, in their order: each with its `document` number in the component, the
        `start` (token) and number of `tokens` that are in the sequence, its `epoch`, and as
        `row` what the component knows of it (repositories, path, license ...).
        """
        if position < 0:
            raise UsageError(f"stream: there is no position {position}")
        location = self.sampler.locate(position)
        component = self._components[location.component]
        forgotten = self._left_out(self.sampler.stage_index(position), location.component)
        documents = [
            row
            for addresses in location.ranges
            for row in self._documents(component, addresses)
            if not _holds(forgotten, row.pop("address"))
        ]
        return {
            "component": self.plan.components[location.component].name,
            "epoch": location.epoch,
            "unit": location.unit,
            "sequence": location.sequence,
            "objective": location.slot.objective,
            "reserved_tokens": location.slot.reserved_tokens,
            "documents": documents,
        }

    def _documents(self, component: Component, part: AddressRange) -> list[dict[str, Any]]:
        first, opens_inside = component.document_at(part.address)
        rows, address = [], part.address
        for index, length in enumerate(component.window(part.address, part.size).lengths):
            document = (first + index) % component.documents
            start = 0
            row = _plain(component.origin(document))
            if index == 0 and opens_inside:
                start = row["tokens"] - self._tokens_left(component, part.address)
            described = {"document": document, "start": start, "tokens": int(length)}
            address %= component.addresses
            rows.append({**described, "epoch": part.epoch, "row": row, "address": address})
            address += int(length) + 1
        return rows

    def _tokens_left(self, component: Component, address: int) -> int:
        """Return how many tokens of a document lie from an address of it to its end."""
        count = self.plan.sequence_length
        while True:
            ends = component.window(address, count).ends
            if len(ends):
                return int(ends[0])
            count *= 2

    def counts(self, position: int) -> dict[str, dict[str, float]]:
        """Return the `addresses` and `epochs` of each component before a position.

        A closed form: it costs the same at any position.
        """
        counts = self.sampler.counts(position)
        return {
            component.name: {"addresses": count, "epochs": count / component.addresses}
            for component, count in zip(self.plan.components, counts, strict=True)
        }

    def state_dict(self, position: int) -> dict[str, Any]:
        """Return what a checkpoint needs to go on at `position`: under 300 bytes as JSON."""
        return {
            "format": STATE_FORMAT,
            "plan": self.plan.digest,
            "stages": self.plan.stages_digest(position),
            "position": position,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> int:
        """Return the position to go on from.

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
    planned = plan.components[index]
    found = components.get(planned.name)
    if found is None:
        raise UsageError(f"{planned.dataset}: component {planned.name} is not there")
    for field in ("addresses", "documents", "digest"):
        here, there = getattr(found, field), getattr(planned, field)
        if here != there:
            raise DataError(
                f"{planned.dataset}: {planned.name}: {field} is {here}, but the plan was made "
                f"when it was {there}"
            )
    return found


def _forgotten(plan: Plan, tombstones: Mapping[str, Forgotten]) -> dict[tuple[int, int], Ranges]:
    """Return (stage, component) -> the addresses that it leaves out, where there are any."""
    numbers = {component.name: number for number, component in enumerate(plan.components)}
    found = {}
    for stage, planned in enumerate(plan.stages):
        for name, stones in planned.tombstones.items():
            if name not in tombstones:
                raise DataError(f"plan: the tombstones of {name} are not there")
            found[stage, numbers[name]] = tombstones[name](stones)
    return found


def _holds(ranges: Ranges, address: int) -> bool:
    after = int(np.searchsorted(ranges[:, 1], address, side="right"))
    return after < len(ranges) and bool(ranges[after, 0] <= address)


def _settings(plan: Plan) -> dict[str, Config]:
    names = {slot.objective for stage in plan.stages for slot in stage.slots}
    for name in sorted(names | set(plan.settings)):
        if name not in OBJECTIVES:
            raise UsageError(f"plan: there is no objective {name!r}")
    found = {}
    for name in sorted(names):
        given = plan.settings.get(name, {})
        found[name] = parse_config(f"plan: {name}", OBJECTIVES[name].settings, given)
        try:
            OBJECTIVES[name].check(plan.control, found[name])
        except UsageError as error:
            raise UsageError(f"objective: {name}: {error}") from None
    return found


def _tables(settings: Mapping[str, Config], tokenizer: str | None) -> dict[str, dict[str, Any]]:
    """Return what else each objective is given."""
    makers = {name: OBJECTIVES[name].tables for name in settings}
    return {n: make(settings[n], tokenizer) if make else {} for n, make in makers.items()}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON has it: ids as hexadecimal text."""
    return {name: v.hex() if isinstance(v, bytes) else v for name, v in row.items()}
