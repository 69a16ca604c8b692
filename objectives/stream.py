"""The stream: any sequence or batch by its position, which is the whole state there is."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from manifests.config import Config, parse_config
from manifests.dataset import Dataset
from manifests.errors import BadCall, BadData
from manifests.order import Piece
from manifests.places import Place, Places
from manifests.plan import Plan
from manifests.window import Component, Window
from objectives.batch import Batch, Segments, segments_of
from objectives.slots import OBJECTIVES

STATE_FORMAT = 1


class Stream:
    """Sequences as a pure function of a plan and a position.

    Nothing is buffered and nothing remembered: batches may be asked for in any order, of any size,
    by any number of processes, and each sequence is the same as if it had been computed alone.
    """

    def __init__(self, plan: Plan, components: Mapping[str, Component]) -> None:
        """Join a plan to the components that it names.

        Raises:
            BadCall: a component is missing, or an objective needs control ids that the vocabulary
                does not have, or its settings have faults.
            BadData: a component is not the one that the plan was made from.
        """
        self.plan = plan
        self.places = Places(plan)
        self._components = [_checked(plan, i, components) for i in range(len(plan.components))]
        self._numbers = {name: number for number, name in enumerate(OBJECTIVES)}
        self._settings = _settings(plan)

    @classmethod
    def open(cls, plan: Plan) -> Self:
        """Open the datasets that a plan names."""
        datasets = {d: Dataset.open(d) for d in {c.dataset for c in plan.components}}
        components: dict[str, Component] = {
            c.name: datasets[c.dataset].component(c.source_name, heldout=c.heldout)
            for c in plan.components
        }
        return cls(plan, components)

    def batch(self, position: int, rows: int) -> Batch:
        """Return the sequences at `position` .. `position + rows - 1`.

        Raises:
            BadCall: the position or the number of rows is negative.
            BadData: a shard is damaged.
        """
        if position < 0 or rows < 0:
            raise BadCall(f"stream: there is no position {position} with {rows} rows")
        batch = Batch.empty(rows, self.plan.sequence_length)
        places = [self.places.at(position + number) for number in range(rows)]
        batch.component[:] = [place.component for place in places]
        batch.objective[:] = [self._numbers[place.slot.objective] for place in places]
        segments = self._segments(places)
        for name, settings in self._settings.items():
            sequences = np.flatnonzero(batch.objective == self._numbers[name])
            OBJECTIVES[name].fill(segments, sequences, batch, self.plan.control, settings)
        return batch

    def _segments(self, places: Sequence[Place]) -> Segments:
        """Return what the sequences at some places are made from."""
        sequences = [
            [self._window(self._components[place.component], piece) for piece in place.pieces]
            for place in places
        ]
        allowances = [place.slot.allowance for place in places]
        return segments_of(sequences, allowances, [place.key for place in places])

    def _window(self, component: Component, piece: Piece) -> Window:
        return component.window(piece.address, piece.count, self.plan.control.end)

    def origin(self, position: int) -> dict[str, Any]:
        """Return where the sequence at a position comes from.

        `component`, `epoch` and `unit` (of its first address), `sequence` of the unit, `objective`,
        and `documents`, in their order: each with its `document` number in the component, the
        `start` (token) and number of `tokens` that are in the sequence, its `epoch`, and as
        `row` what the component knows of it (repositories, path, license ...).
        """
        if position < 0:
            raise BadCall(f"stream: there is no position {position}")
        place = self.places.at(position)
        component = self._components[place.component]
        documents = [row for piece in place.pieces for row in self._documents(component, piece)]
        return {
            "component": self.plan.components[place.component].name,
            "epoch": place.unit.epoch,
            "unit": place.unit.number,
            "sequence": place.sequence,
            "objective": place.slot.objective,
            "allowance": place.slot.allowance,
            "documents": documents,
        }

    def _documents(self, component: Component, piece: Piece) -> list[dict[str, Any]]:
        window = self._window(component, piece)
        lengths = segments_of([[window]], [0], [0]).lengths.tolist()
        rows = []
        for index, length in enumerate(lengths):
            document = (window.document + index) % component.documents
            start = 0
            row = _plain(component.origin(document))
            if index == 0 and window.opens_inside:
                start = row["tokens"] - self._tokens_left(component, piece.address)
            described = {"document": document, "start": start, "tokens": length}
            rows.append({**described, "epoch": piece.epoch, "row": row})
        return rows

    def _tokens_left(self, component: Component, address: int) -> int:
        """Return how many tokens of a document lie from an address of it to its end."""
        count = self.plan.sequence_length
        while True:
            ends = component.window(address, count, self.plan.control.end).ends
            if len(ends):
                return int(ends[0])
            count *= 2

    def counts(self, position: int) -> dict[str, dict[str, float]]:
        """Return the `addresses` and `epochs` of each component before a position.

        A closed form: it costs the same at any position.
        """
        counts = self.places.counts(position)
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
            BadCall: the state is of another plan, or stages before its position have changed.
        """
        position = state.get("position")
        if state.get("format") != STATE_FORMAT or not isinstance(position, int) or position < 0:
            raise BadCall("state: is not a stream's state")
        if state.get("plan") != self.plan.digest:
            raise BadCall(
                f"state: is of plan {str(state.get('plan'))[:12]}, not of {self.plan.digest[:12]}: "
                "its positions mean other sequences"
            )
        if state.get("stages") != self.plan.stages_digest(position):
            raise BadCall(
                f"state: the plan's stages before position {position} are not those that made it"
            )
        return position


def _checked(plan: Plan, index: int, components: Mapping[str, Component]) -> Component:
    planned = plan.components[index]
    found = components.get(planned.name)
    if found is None:
        raise BadCall(f"{planned.dataset}: component {planned.name} is not there")
    for field in ("addresses", "documents", "digest"):
        here, there = getattr(found, field), getattr(planned, field)
        if here != there:
            raise BadData(
                f"{planned.dataset}: {planned.name}: {field} is {here}, but the plan was made "
                f"when it was {there}"
            )
    return found


def _settings(plan: Plan) -> dict[str, Config]:
    names = {slot.objective for stage in plan.stages for slot in stage.slots}
    for name in sorted(names | set(plan.settings)):
        if name not in OBJECTIVES:
            raise BadCall(f"plan: there is no objective {name!r}")
        if OBJECTIVES[name].infills and name in names and not plan.control.can_infill:
            raise BadCall(
                f"objective: {name} needs <sep>, <eom> and masks, which the tokenizer lacks"
            )
    return {
        name: parse_config(f"plan: {name}", OBJECTIVES[name].settings, plan.settings.get(name, {}))
        for name in names
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON has it: ids as hexadecimal text."""
    return {name: v.hex() if isinstance(v, bytes) else v for name, v in row.items()}
