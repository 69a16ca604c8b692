"""plan.json: everything that decides which tokens stand at a position of the stream."""

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
from manifests.mixture.resolve import Member, Resolved, resolve
from manifests.special_tokens import SpecialTokens
from objectives.stream.epoch_caps import schedule
from objectives.stream.order import SCALE
from objectives.tasks.registry import make_slots
from objectives.tasks.slot import Stage

LOG = logging.getLogger(__name__)

SEQUENCES_PER_UNIT = 16
"""K: with 2,048 tokens a sequence, a unit is 32,000 tokens: small enough that a batch mixes many
repositories, large enough that units are read from disk in long runs."""

SMALLEST_UNIT = 4
"""To how many sequences a unit shrinks for a small mixture: fewer could not hold two objectives
with more than one allowance each."""


class PlanComponent(Config):
    """A component as the plan saw it."""

    name: str
    """What its randomness is keyed by: `source/slug`, or `source/slug@2` for later shards."""
    dataset: str
    """The directory that holds it; no part of the plan's digest."""
    heldout: bool = False
    """Whether these are the heldout shards."""
    addresses: int = Field(gt=0)
    """T, the length of its ring: frozen."""
    tokens: int = Field(ge=0)
    documents: int = Field(ge=0)
    digest: str
    """Changes when any of its shards does."""

    @property
    def source_name(self) -> str:
        """Its name in its dataset, `source/slug`."""
        return self.name.split("@")[0]


class Plan(Config):
    """The stream as a pure function: a plan and a position say everything."""

    format: Literal[1] = 1
    """Version of the order: of sections 7 and 8 of the design, to the last bit."""
    seed: int = Field(ge=0)
    sequence_length: int = Field(default=2048, ge=16)
    """L, tokens of a sequence. Default: n_ctx of every published CodeGen2 config."""
    sequences_per_unit: int = Field(default=SEQUENCES_PER_UNIT, ge=1)
    """K."""
    interleave: int = Field(ge=1)
    """C: so many units are read side by side, so that neighbors in a batch are no neighbors on
    disk. A power of two."""
    control: SpecialTokens
    components: list[PlanComponent] = Field(min_length=1, max_length=1 << 16)
    stages: list[Stage] = Field(min_length=1)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of objectives, by their names, where they are not the defaults."""
    positions: int = Field(gt=0)
    """Sequences that the mixture's budget comes to: where training is planned to end."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.interleave & (self.interleave - 1):
            raise ValueError(f"interleave is {self.interleave}, not a power of two")
        if len({component.name for component in self.components}) < len(self.components):
            raise ValueError("components: a name is there twice")
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
            raise ValueError(f"{name}.weights: one weight for each component")
        if min(stage.weights) < 0 or sum(stage.weights) != SCALE:
            raise ValueError(f"{name}.weights: must be at least 0 and sum to 2^32")
        if len(stage.slots) != self.sequences_per_unit:
            raise ValueError(f"{name}.slots: one slot for each of {self.sequences_per_unit}")
        if max(slot.reserved_tokens for slot in stage.slots) >= self.sequence_length:
            raise ValueError(f"{name}.slots: an allowance leaves a sequence no tokens")
        if unknown := stage.tombstones.keys() - {c.name for c in self.components}:
            raise ValueError(f"{name}.tombstones: there is no component {min(unknown)}")
        if _allowances(stage) != _allowances(self.stages[0]):
            raise ValueError(f"{name}.slots: allowances must sum as those of the first stage do")

    @property
    def group(self) -> int:
        """Positions after which the interleaved units are done, and a stage may begin: C x K."""
        return self.interleave * self.sequences_per_unit

    @property
    def unit_size(self) -> int:
        """U, the addresses of a unit: K x L less all allowances."""
        return self.sequences_per_unit * self.sequence_length - _allowances(self.stages[0])

    @property
    def digest(self) -> str:
        """SHA-256 of all that a stage cannot change, and of the first stage.

        Not of directories (a dataset may move), nor of `positions` (training may go on).
        """
        first = self.stages[0].content()
        whole = self.model_dump(mode="json", exclude={"components", "stages", "positions"})
        parts = [[c.name, c.heldout, c.addresses, c.digest] for c in self.components]
        return digest({**whole, "components": parts, "stage": first})

    def stages_digest(self, position: int) -> str:
        """Return the SHA-256 of the stages that began before `position`."""
        begun = [s.content() for s in self.stages if s.position < position]
        return digest(begun)


def _allowances(stage: Stage) -> int:
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
        mixture: what `load_mixture` returned.
        objective: a name of OBJECTIVES or MIXES of objectives.tasks.registry, or objectives with
            their shares.
        batch: sequences of the largest batch that is planned.
        sequence_length: tokens of a sequence.
        settings: of objectives, by their names.
        heldout: plan the heldout shards of the mixture's components instead, once through.
        tombstones: those to be obeyed, as `Stage` has them; by default all that there are now.

    Raises:
        UsageError: the mixture does not fit its datasets, or the plan has faults.
    """
    if batch < 1:
        raise UsageError(f"batch: must be at least 1, not {batch}")
    resolved = resolve(mixture, heldout)
    epoch = sum(member.addresses for member in resolved.members)
    per_unit, interleave = _fit(1 << (batch - 1).bit_length(), sequence_length, epoch)
    slots = make_slots(objective, per_unit, sequence_length)
    size = per_unit * sequence_length - sum(slot.reserved_tokens for slot in slots)
    begun, units = schedule(resolved, size, interleave)
    obeyed = tombstones_of(resolved) if tombstones is None else tombstones
    stages = [
        Stage.model_validate(
            {"position": start * per_unit, "weights": w, "slots": slots, "tombstones": obeyed}
        )
        for start, w in begun
    ]
    try:
        return Plan(
            seed=mixture.seed,
            sequence_length=sequence_length,
            sequences_per_unit=per_unit,
            interleave=interleave,
            control=resolved.control,
            components=[_component(member) for member in resolved.members],
            stages=stages,
            settings={name: dict(values) for name, values in (settings or {}).items()},
            positions=min(-(-resolved.budget * per_unit // size), units * per_unit),
        )
    except ValidationError as error:
        raise UsageError(f"plan: {error.errors(include_url=False)[0]['msg']}") from None


def tombstones_of(resolved: Resolved) -> dict[str, list[str]]:
    """Return the tombstones that there are now, as `Stage` has them."""
    return {m.name: list(m.tombstones) for m in resolved.members if m.tombstones}


def _component(member: Member) -> PlanComponent:
    return PlanComponent(
        name=member.name,
        dataset=member.dataset,
        heldout=member.heldout,
        addresses=member.addresses,
        tokens=member.tokens,
        documents=member.documents,
        digest=member.digest,
    )


def _fit(interleave: int, length: int, epoch: int) -> tuple[int, int]:
    """Return K and C such that C x K x L is at most an eighth of the mixture's epoch.

    So that interleaving stays a small window on the data; first K shrinks, then C.
    """
    wanted = per_unit, _ = SEQUENCES_PER_UNIT, interleave
    while per_unit > SMALLEST_UNIT and 8 * interleave * per_unit * length > epoch:
        per_unit //= 2
    while interleave > 1 and 8 * interleave * per_unit * length > epoch:
        interleave //= 2
    if (per_unit, interleave) != wanted:
        LOG.warning(
            "the mixture holds only %s tokens: units of %d sequences instead of %d, "
            "%d of them interleaved instead of %d",
            f"{epoch:,}", per_unit, wanted[0], interleave, wanted[1],
        )  # fmt: skip
    return per_unit, interleave


def save_plan(plan: Plan, path: str) -> None:
    """Write plan.json, whole or not at all."""
    files.write_json(path, {**plan.model_dump(mode="json"), "digest": plan.digest})


def load_plan(path: str) -> Plan:
    """Read plan.json.

    Raises:
        DataError: it is not there, is of another format, has faults, or differs from its digest.
    """
    try:
        content = json.loads(files.read_bytes(path))
        found = content.pop("digest")
        plan = Plan.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise DataError(f"{path}: {place}: {fault['msg']}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is not a plan") from None
    if found != plan.digest:
        raise DataError(f"{path}: digest: the file says {found}, but its content is {plan.digest}")
    return plan
