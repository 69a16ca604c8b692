"""stackpile.json of a model directory: what config.json does not say about a model."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from manifests.config import Config
from manifests.dataset.dataset import Dataset
from manifests.dataset.shard_index import read_documents, read_shard_rows
from manifests.errors import DataError, StackpileError
from manifests.io import files
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import load_text_tokenizer
from objectives.stream.plan import PlanComponent
from objectives.stream.sampler import Sampler
from objectives.tasks.objective import Objective
from objectives.tasks.registry import OBJECTIVES, make_objective
from trainer.checkpoints.state import read_state
from trainer.run import Run

FILE = "stackpile.json"

ANCESTOR = "init.json"
"""File of a run's directory: what the run started from."""


class TrainedComponent(Config):
    """A component that a model was trained on."""

    name: str
    """`source/slug`."""
    digest: str
    """Digest of its shards."""
    tokens: int = Field(ge=0)
    """Tokens and end tokens that the model has seen, repeated ones included."""
    epochs: float = Field(ge=0)
    """The same, divided by the component's own."""
    licenses: dict[str, int] | None = None
    """License (an empty name where none is known) -> documents; None if the dataset was out of
    reach."""


class Ancestor(Config):
    """The weights that a run started from."""

    name: str
    """Last part of the path of the run or the model directory."""
    weights: str
    """SHA-256 of the names, sizes and SHA-256 of its files of weights, as canonical JSON."""
    record: "ModelRecord"
    """What it was trained on."""


class ModelRecord(Config):
    """The content of stackpile.json."""

    format: Literal[1] = 1
    control: SpecialTokens
    """The control tokens of the vocabulary."""
    objectives: dict[str, dict[str, Any]]
    """Objective that the model was trained on -> its settings that differ from the defaults."""
    step: int | None = None
    """Updates made; None for an import."""
    plan: str | None = None
    """Digest of the run's plan; None for an import."""
    components: list[TrainedComponent] = Field(default_factory=list)
    """What it was trained on; empty for an import."""
    init: Ancestor | None = None
    """What its run started from; None if its weights were drawn."""

    def make_objectives(self) -> dict[str, Objective[Any]]:
        """Return the objectives by name, in the order of the registry."""
        return {
            name: make_objective(name, self.control, self.objectives[name])
            for name in OBJECTIVES
            if name in self.objectives
        }


def write_ancestor(run: Run, ancestor: Ancestor | None) -> None:
    """Write into a run's directory what the run starts from; None if its weights are drawn."""
    path = files.join(run.path, ANCESTOR)
    if ancestor is not None:
        files.write_json(path, ancestor.model_dump(mode="json"))
    elif files.exists(path):
        files.remove(path)


def _ancestor(run: Run) -> Ancestor | None:
    """Return what a run started from."""
    path = files.join(run.path, ANCESTOR)
    if not files.exists(path):
        return None
    try:
        return Ancestor.model_validate_json(files.read_bytes(path))
    except ValidationError:
        raise DataError(f"{path}: is damaged") from None


def record_of_run(run: Run, step: int) -> ModelRecord:
    """Return the record of a run's checkpoint."""
    position = read_state(run.checkpoints, step)["stream"]["position"]
    counts = Sampler(run.plan).counts(position)
    return ModelRecord(
        control=run.plan.control,
        objectives={name: run.plan.settings.get(name, {}) for name in run.plan.objectives()},
        step=step,
        plan=run.plan.digest,
        components=[
            TrainedComponent(
                name=component.name,
                digest=component.digest,
                tokens=count,
                epochs=count / component.addresses,
                licenses=_licenses(component),
            )
            for component, count in zip(run.plan.components, counts, strict=True)
        ],
        init=_ancestor(run),
    )


def record_of_vocabulary(control: SpecialTokens) -> ModelRecord:
    """Return the record of a published model, whose objectives follow from its vocabulary.

    A vocabulary with masks, <sep> and <eom> is CodeGen2's or CodeGen2.5's, whose infill prompt is
    that of span corruption (their model cards). A vocabulary with the tokens of fill in the middle
    alone is StarCoder's.
    """
    objectives: dict[str, dict[str, Any]] = {"clm": {}}
    if control.masks and control.sep is not None and control.eom is not None:
        objectives["span_corruption"] = {}
    elif None not in (control.fim_prefix, control.fim_suffix, control.fim_middle):
        objectives["fim"] = {}
    return ModelRecord(control=control, objectives=objectives)


def drawable_tokens(
    tokenizer: str, vocabulary: int, objectives: Mapping[str, Objective[Any]]
) -> npt.NDArray[np.bool_]:
    """Return which ids a sample may have, bool [vocabulary]: those of text.

    Excluded are control tokens, ids that no token has, and ids that an objective uses as masks.

    Args:
        tokenizer: path of tokenizer.json.
        vocabulary: rows of the model's embedding.
        objectives: of the model.
    """
    allowed = np.zeros(vocabulary, np.bool_)
    ids = np.fromiter(load_text_tokenizer(tokenizer).get_vocab().values(), np.int64)
    allowed[ids[ids < vocabulary]] = True
    for objective in objectives.values():
        allowed[objective.mask_ids] = False
    return allowed


def _licenses(component: PlanComponent) -> dict[str, int] | None:
    """Return license -> documents of a component, or None if its dataset cannot be read."""
    try:
        dataset = Dataset.open(component.dataset)
        counts: Counter[str] = Counter()
        for row in read_shard_rows(dataset.directory, dataset.manifest):
            if (row.component, row.heldout) == (component.source_name, component.heldout):
                table = read_documents(dataset.directory, row, ["license"])
                for item in table["license"].value_counts().to_pylist():
                    counts[item["values"] or ""] += item["counts"]
        return dict(sorted(counts.items()))
    except (StackpileError, OSError):
        return None
