"""plan.json: everything that determines which tokens stand at a position of the stream."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from manifests.config import Config
from manifests.dataset.dataset import Dataset
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.digest import digest
from manifests.mixture.config import Mixture
from manifests.mixture.resolve import Member, Resolved, resolve
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import dummy_ids
from objectives.stream.epoch_caps import schedule
from objectives.stream.order import SCALE
from objectives.stream.stage import Stage
from objectives.stream.unit_sizes import UnitSize, choose_units
from objectives.tasks.objective import Attention, Objective
from objectives.tasks.registry import choose_task_tokens, make_objectives, shares_of


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
    unit_size: int = Field(gt=0)
    """U: the addresses of a unit."""
    padding: float = Field(default=0.0, ge=0, le=1)
    """Share of padding that the planner expects; not in the plan's digest."""
    thinned: float = Field(default=0.0, ge=0, le=1)
    """Share of the eligible segments that the planner expects to be thinned; not in the digest."""

    @property
    def source_name(self) -> str:
        """Name in the dataset, `source/slug`."""
        return self.name.split("@")[0]


class Plan(Config):
    """The stream as a pure function: plan and position determine a sequence."""

    format: Literal[3] = 3
    """Version of the order and the objectives (ours); docs/stream-order.md describes it."""
    seed: int = Field(ge=0)
    sequence_length: int = Field(default=2048, ge=16)
    """L, tokens of a sequence. Published: n_ctx of every CodeGen2 config."""
    slots: list[str] = Field(min_length=1)
    """The objectives of the K sequences of a unit. Each unit assigns them to its sequences in an
    order of its own."""
    interleave: int = Field(ge=1)
    """C, how many units are interleaved, so that neighbors in a batch are not neighbors on disk. A
    power of two."""
    control: SpecialTokens
    components: list[PlanComponent] = Field(min_length=1, max_length=1 << 16)
    stages: list[Stage] = Field(min_length=1)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of objectives by name, where they are not the defaults."""
    attention: Attention = "causal"
    """Whether the sequences of all objectives have the prefix of a Prefix-LM."""
    task_tokens: dict[str, int] = Field(default_factory=dict)
    """Objective -> id of the token at the front of its sequences; empty without task tokens."""
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
        for component in self.components:
            if component.unit_size > self.sequences_per_unit * self.sequence_length:
                raise ValueError(f"components: the units of {component.name} are too large")
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
        if unknown := stage.tombstones.keys() - {c.name for c in self.components}:
            raise ValueError(f"{name}.tombstones: there is no component {min(unknown)}")

    @property
    def sequences_per_unit(self) -> int:
        """K."""
        return len(self.slots)

    @property
    def group(self) -> int:
        """C x K: the positions of C interleaved units. A stage begins at a multiple of it."""
        return self.interleave * self.sequences_per_unit

    @property
    def padding(self) -> float:
        """The share of padding that the planner expects in the first stage."""
        return self._mean([component.padding for component in self.components])

    @property
    def thinned(self) -> float:
        """The share of the eligible segments that the planner expects to be thinned."""
        return self._mean([component.thinned for component in self.components])

    def _mean(self, values: Sequence[float]) -> float:
        """Return the mean over the components, by the weights of the first stage."""
        weights = self.stages[0].weights
        return sum(w * value for w, value in zip(weights, values, strict=True)) / SCALE

    @property
    def digest(self) -> str:
        """SHA-256 of the plan without its later stages, directories of datasets and `positions`.

        So a dataset may be moved, and training may continue beyond the planned end.
        """
        whole = self.model_dump(mode="json", exclude={"components", "stages", "positions"})
        parts = [[c.name, c.heldout, c.addresses, c.digest, c.unit_size] for c in self.components]
        return digest({**whole, "components": parts, "stage": self.stages[0].model_dump()})

    def stages_digest(self, position: int) -> str:
        """Return the SHA-256 of the stages that begin before `position`."""
        return digest([s.model_dump() for s in self.stages if s.position < position])

    def objectives(self) -> dict[str, Objective[Any]]:
        """Return the objectives of the slots by name, in the order of the registry.

        Raises:
            UsageError: an objective is unknown, its settings have faults, the vocabulary lacks a
                control token, or the objective cannot have the attention.
        """
        return make_objectives(
            self.slots, self.control, self.settings, self.attention, self.task_tokens
        )


def make_plan(
    mixture: Mixture,
    objective: str | Mapping[str, float],
    *,
    batch: int,
    sequence_length: int = 2048,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    attention: Attention = "causal",
    task_tokens: bool = False,
    heldout: bool = False,
    tombstones: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """Compile a mixture into a plan.

    Where objectives add control tokens, sample units of the datasets are read.

    Args:
        mixture: a mixture, as `load_mixture` returns it.
        objective: a name of OBJECTIVES or MIXES of objectives.tasks.registry, or objectives with
            their shares.
        batch: sequences of the largest batch that is planned.
        sequence_length: tokens of a sequence.
        settings: settings of objectives by name.
        attention: "prefix" gives each sequence the prefix of a Prefix-LM.
        task_tokens: whether each sequence begins with a token that names its task.
        heldout: whether to plan the heldout shards of the mixture's components instead.
        tombstones: the tombstones to apply, as `Stage` has them; by default all of the datasets.

    Raises:
        UsageError: the mixture does not fit its datasets, or an argument has a wrong value.
    """
    if batch < 1:
        raise UsageError(f"batch: must be at least 1, not {batch}")
    shares, named = shares_of(objective), settings or {}
    resolved = resolve(mixture, heldout)
    objectives = make_objectives(shares, resolved.control, named, attention)
    tokens = _task_tokens(resolved, objectives) if task_tokens else {}
    if tokens:
        objectives = make_objectives(shares, resolved.control, named, attention, tokens)
    units = choose_units(resolved, shares, objectives, batch, sequence_length)
    sizes, sequences = [size.addresses for size in units.sizes], len(units.slots)
    starts, positions = schedule(resolved, sizes, units.interleave, sequences)
    applied = tombstones_of(resolved) if tombstones is None else _as_lists(tombstones)
    try:
        return Plan(
            seed=mixture.seed,
            sequence_length=sequence_length,
            interleave=units.interleave,
            control=resolved.control,
            slots=units.slots,
            components=[
                _component(member, size)
                for member, size in zip(resolved.members, units.sizes, strict=True)
            ],
            stages=[
                Stage(position=start * sequences, weights=weights, tombstones=applied)
                for start, weights in starts
            ],
            settings={name: dict(values) for name, values in named.items()},
            attention=attention,
            task_tokens=tokens,
            positions=positions,
        )
    except ValidationError as error:
        raise UsageError(f"plan: {error.errors(include_url=False)[0]['msg']}") from None


def _task_tokens(resolved: Resolved, objectives: Mapping[str, Objective[Any]]) -> dict[str, int]:
    """Return objective -> id of its task token, none of which an objective uses otherwise."""
    used = {token for objective in objectives.values() for token in objective.mask_ids}
    dummies = dummy_ids(Dataset.open(resolved.members[0].dataset).tokenizer_path)
    return choose_task_tokens(objectives, [token for token in dummies if token not in used])


def _component(member: Member, size: UnitSize) -> PlanComponent:
    return PlanComponent(
        name=member.name,
        dataset=member.dataset,
        heldout=member.heldout,
        addresses=member.addresses,
        tokens=member.tokens,
        documents=member.documents,
        digest=member.digest,
        unit_size=size.addresses,
        padding=round(size.padding, 6),
        thinned=round(size.thinned, 6),
    )


def tombstones_of(resolved: Resolved) -> dict[str, list[str]]:
    """Return the tombstones that the datasets have now, as `Stage` has them."""
    return {m.name: list(m.tombstones) for m in resolved.members if m.tombstones}


def _as_lists(tombstones: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(names) for name, names in tombstones.items()}


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
