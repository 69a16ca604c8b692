"""stackpile.json of a model directory: what config.json does not say about a model."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from manifests.config import Config
from manifests.errors import DataError
from manifests.io import files
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import load_text_tokenizer
from objectives.tasks.objective import Attention, Objective
from objectives.tasks.registry import make_objectives
from trainer.layout import ANCESTOR, RECORD


class LicenseCount(Config):
    """The documents of a component that have a license."""

    documents: int = Field(ge=0)
    tokens: int = Field(ge=0)
    """Their tokens and end tokens, each document once."""


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
    licenses: dict[str, LicenseCount] | None = None
    """License (an empty name where none is known) -> its documents; None if the dataset was out of
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
    attention: Attention = "causal"
    """"prefix" for a Prefix-LM."""
    task_tokens: dict[str, int] = Field(default_factory=dict)
    """Objective -> id of the token at the front of its sequences and prompts."""
    step: int | None = None
    """Updates made; None for an import."""
    position: int | None = None
    """Stream position after the last update; None for an import."""
    plan: str | None = None
    """Digest of the run's plan; None for an import."""
    components: list[TrainedComponent] = Field(default_factory=list)
    """What it was trained on; empty for an import."""
    init: Ancestor | None = None
    """What its run started from; None if its weights were drawn."""

    def make_objectives(self) -> dict[str, Objective[Any]]:
        """Return the objectives by name, in the order of the registry."""
        settings = self.objectives
        return make_objectives(settings, self.control, settings, self.attention, self.task_tokens)


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


def read_record(directory: str) -> ModelRecord | None:
    """Return the stackpile.json of a model directory or a run; None if there is none.

    Raises:
        DataError: the file is damaged.
    """
    path = files.join(directory, RECORD)
    data = files.read_if_exists(path)
    if data is None:
        return None
    try:
        return ModelRecord.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise DataError(f"{path}: {place}: {fault['msg']}") from None


def write_record(directory: str, record: ModelRecord) -> None:
    """Write stackpile.json."""
    files.write_json(files.join(directory, RECORD), record.model_dump(mode="json"))


def write_ancestor(run: str, ancestor: Ancestor | None) -> None:
    """Write into a run's directory what the run starts from; None if its weights are drawn."""
    path = files.join(run, ANCESTOR)
    if ancestor is not None:
        files.write_json(path, ancestor.model_dump(mode="json"))
    elif files.exists(path):
        files.remove(path)


def read_ancestor(run: str) -> Ancestor | None:
    """Return what the run of a directory started from."""
    path = files.join(run, ANCESTOR)
    if not files.exists(path):
        return None
    try:
        return Ancestor.model_validate_json(files.read_bytes(path))
    except ValidationError:
        raise DataError(f"{path}: is damaged") from None
