"""plan.json: everything that determines which tokens stand at a position of the stream."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from manifests.config import Config
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.digest import digest
from manifests.mixture.config import Mixture
from manifests.mixture.resolve import Resolved, resolve
from manifests.special_tokens import SpecialTokens
from objectives.stream.epoch_caps import schedule
from objectives.stream.order import SCALE
from objectives.tasks.objective import Objective
from objectives.tasks.registry import OBJECTIVES, make_objective, make_slots
from objectives.tasks.slot import Stage

LOG = logging.getLogger(__name__)

SEQUENCES_PER_UNIT = 16
"""K. Ours: with 2,048 tokens a sequence, a unit has 32,000 tokens, small enough that a batch mixes
many repositories, and large enough that units are read from disk in long runs."""

MIN_SEQUENCES_PER_UNIT = 4
"""The smallest K, for a small mixture. Ours: a smaller unit has no room for two objectives with
more than one number of reserved tokens each."""


class PlanComponent(Config):
    """A component as the plan recorded it."""

    name: str
    """`source/slug`, or `source/slug@2` for later shards; keys the component's random numbers."""
    dataset: str
    """Directory of the dataset; not in the plan's digest."""
    heldout: bool = False
    """Whether the component consists of the heldout shards."""
    addresses: int = Field(gt=0)
    """T: number of tokens and documents."""
    tokens: int = Field(ge=0)
    documents: int = Field(ge=0)
    digest: str
    """Digest of the component's shards."""

    @property
    def source_name(self) -> str:
        """Name in the dataset, `source/slug`."""
        return self.name.split("@")[0]


class Plan(Config):
    """The stream as a pure function: plan and position determine a sequence."""

    format: Literal[1] = 1
    """Version of the order and the objectives; docs/stream-order.md describes it."""
    seed: int = Field(ge=0)
    sequence_length: int = Field(default=2048, ge=16)
    """L, tokens of a sequence. Published: n_ctx of every CodeGen2 config."""
    sequences_per_unit: int = Field(default=SEQUENCES_PER_UNIT, ge=1)
    """K."""
    interleave: int = Field(ge=1)
    """C, how many units are interleaved, so that neighbors in a batch are not neighbors on disk. A
    power of two."""
    control: SpecialTokens
    components: list[PlanComponent] = Field(min_length=1, max_length=1 << 16)
    stages: list[Stage] = Field(min_length=1)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of objectives by name, where they are not the defaults."""
    positions: int = Field(gt=0)
    """Number of sequences in the mixture's token budget: where training is planned to end."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.interleave & (self.interleave - 1):
            raise ValueError(f"interleave is {self.interleave}, not a power of two")
        if len({component.name for component in self.components}) < len(self.components):
            raise ValueError("components: two components have the same name")
        positions = [stage.position for stage in self.stages]
        if positions[0] != 0 or sorted(set(positions)) != positions:
            raise ValueError("stages: positions must ascend from 0")
        for index, stage in enumerate(self.stages):
            self._check_stage(f"stages[{index}]", stage)
        return self

    def _check_stage(self, name: str, stage: Stage) -> None:
        if stage.position % self.group:
            raise ValueError(f"{name}.position is no multiple of {self.group}")
        if len(stage.weights) != len(self.components):
            raise ValueError(f"{name}.weights: must be one for each component")
        if min(stage.weights) < 0 or sum(stage.weights) != SCALE:
            raise ValueError(f"{name}.weights: must be at least 0 and sum to 2^32")
        if len(stage.slots) != self.sequences_per_unit:
            raise ValueError(f"{name}.slots: must be {self.sequences_per_unit}")
        if max(slot.reserved_tokens for slot in stage.slots) >= self.sequence_length:
            raise ValueError(f"{name}.slots: reserved_tokens must be below {self.sequence_length}")
        if unknown := stage.tombstones.keys() - {c.name for c in self.components}:
            raise ValueError(f"{name}.tombstones: there is no component {min(unknown)}")
        if _reserved_tokens(stage) != _reserved_tokens(self.stages[0]):
            raise ValueError(f"{name}.slots: the sum of reserved_tokens must be the first stage's")

    @property
    def group(self) -> int:
        """C x K: the positions of C interleaved units. A stage begins at a multiple of it."""
        return self.interleave * self.sequences_per_unit

    @property
    def unit_size(self) -> int:
        """U: the addresses of a unit, K x L without the reserved tokens."""
        return self.sequences_per_unit * self.sequence_length - _reserved_tokens(self.stages[0])

    @property
    def digest(self) -> str:
        """SHA-256 of the plan without its later stages, directories of datasets and `positions`.

        So a dataset may be moved, and training may continue beyond the planned end.
        """
        whole = self.model_dump(mode="json", exclude={"components", "stages", "positions"})
        parts = [[c.name, c.heldout, c.addresses, c.digest] for c in self.components]
        return digest({**whole, "components": parts, "stage": self.stages[0].model_dump()})

    def stages_digest(self, position: int) -> str:
        """Return the SHA-256 of the stages that begin before `position`."""
        return digest([s.model_dump() for s in self.stages if s.position < position])

    def objectives(self) -> dict[str, Objective[Any]]:
        """Return the objectives of all slots by name, in the order of the registry.

        Raises:
            UsageError: an objective is unknown, its settings have faults, or the vocabulary lacks a
                control token.
        """
        names = {slot.objective for stage in self.stages for slot in stage.slots}
        if unknown := sorted((names | self.settings.keys()) - OBJECTIVES.keys()):
            raise UsageError(f"plan: there is no objective {unknown[0]!r}")
        return {
            name: make_objective(name, self.control, self.settings.get(name, {}))
            for name in OBJECTIVES
            if name in names
        }


def _reserved_tokens(stage: Stage) -> int:
    return sum(slot.reserved_tokens for slot in stage.slots)


def make_plan(
    mixture: Mixture,
    objective: str | Mapping[str, float],
    *,
    batch: int,
    sequence_length: int = 2048,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    heldout: bool = False,
    tombstones: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """Compile a mixture into a plan.

    Args:
        mixture: a mixture, as `load_mixture` returns it.
        objective: a name of OBJECTIVES or MIXES of objectives.tasks.registry, or objectives with
            their shares.
        batch: sequences of the largest batch that is planned.
        sequence_length: tokens of a sequence.
        settings: settings of objectives by name.
        heldout: whether to plan the heldout shards of the mixture's components instead.
        tombstones: the tombstones to apply, as `Stage` has them; by default all of the datasets.

    Raises:
        UsageError: the mixture does not fit its datasets, or an argument has a wrong value.
    """
    if batch < 1:
        raise UsageError(f"batch: must be at least 1, not {batch}")
    resolved = resolve(mixture, heldout)
    epoch = sum(member.addresses for member in resolved.members)
    per_unit, interleave = _fit(1 << (batch - 1).bit_length(), sequence_length, epoch)
    slots = make_slots(objective, per_unit, sequence_length)
    size = per_unit * sequence_length - sum(slot.reserved_tokens for slot in slots)
    starts, units = schedule(resolved, size, interleave)
    applied = tombstones_of(resolved) if tombstones is None else tombstones
    stages = [
        Stage.model_validate(
            {"position": start * per_unit, "weights": w, "slots": slots, "tombstones": applied}
        )
        for start, w in starts
    ]
    try:
        return Plan(
            seed=mixture.seed,
            sequence_length=sequence_length,
            sequences_per_unit=per_unit,
            interleave=interleave,
            control=resolved.control,
            components=[
                PlanComponent.model_validate(member, from_attributes=True)
                for member in resolved.members
            ],
            stages=stages,
            settings={name: dict(values) for name, values in (settings or {}).items()},
            positions=min(-(-resolved.budget * per_unit // size), units * per_unit),
        )
    except ValidationError as error:
        raise UsageError(f"plan: {error.errors(include_url=False)[0]['msg']}") from None


def tombstones_of(resolved: Resolved) -> dict[str, list[str]]:
    """Return the tombstones that the datasets have now, as `Stage` has them."""
    return {m.name: list(m.tombstones) for m in resolved.members if m.tombstones}


def _fit(interleave: int, length: int, epoch: int) -> tuple[int, int]:
    """Return K and C such that C x K x L is at most an eighth of the mixture's epoch.

    K shrinks first, then C. Ours: C interleaved units are then a small window on the data.
    """
    wanted = per_unit, _ = SEQUENCES_PER_UNIT, interleave
    while per_unit > MIN_SEQUENCES_PER_UNIT and 8 * interleave * per_unit * length > epoch:
        per_unit //= 2
    while interleave > 1 and 8 * interleave * per_unit * length > epoch:
        interleave //= 2
    if (per_unit, interleave) != wanted:
        LOG.warning(
            "the mixture has only %s tokens: a unit has %d sequences (%d for a large mixture), "
            "and %d units are interleaved (%d for a large mixture)",
            f"{epoch:,}", per_unit, wanted[0], interleave, wanted[1],
        )  # fmt: skip
    return per_unit, interleave


def save_plan(plan: Plan, path: str) -> None:
    """Write plan.json atomically."""
    files.write_json(path, {**plan.model_dump(mode="json"), "digest": plan.digest})


def load_plan(path: str) -> Plan:
    """Read plan.json.

    Raises:
        DataError: the file is missing, has another format or faults, or differs from its digest.
    """
    try:
        content = json.loads(files.read_bytes(path))
        recorded = content.pop("digest")
        plan = Plan.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise DataError(f"{path}: {place}: {fault['msg']}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is not a plan") from None
    if recorded != plan.digest:
        raise DataError(
            f"{path}: digest: the file says {recorded}, but its content is {plan.digest}"
        )
    return plan
