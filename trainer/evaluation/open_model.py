"""A model by its path: a run, a model directory of Stackpile, or one of transformers."""

from typing import Any

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import digest
from trainer.checkpoints.state import checkpoint_digest
from trainer.evaluation.model import EvaluatedModel, OwnModel
from trainer.interop.folder import CONFIG, TOKENIZER
from trainer.layout import PLAN, RECORD
from trainer.run import Run
from trainer.sampling.language_model import LanguageModel


def open_model(path: str, step: int | None) -> tuple[EvaluatedModel, dict[str, Any]]:
    """Return a model and what identifies it: path, step and digest.

    Args:
        path: of a run or a model directory.
        step: of a run's checkpoint; default: the last one.

    Raises:
        UsageError: the path is neither, the run has no such checkpoint, or a model directory of
            another program has no tokenizer.json.
        DataError: a file is damaged.
    """
    if files.exists(files.join(path, PLAN)):
        run = Run.open(path)
        step = run.checkpoint_step(step)
        weights = checkpoint_digest(run.checkpoints, step)
        identity: dict[str, Any] = {"path": path, "step": step, "digest": weights}
        return OwnModel(LanguageModel.open(path, step)), identity
    names = sorted(n for n in files.list_names(path) if n.endswith((".json", ".safetensors")))
    marks = {name: files.sha256(files.join(path, name)) for name in names}
    identity = {"path": path, "step": None, "digest": digest(marks)}
    if files.exists(files.join(path, RECORD)) or not files.exists(files.join(path, CONFIG)):
        return OwnModel(LanguageModel.open(path, step)), identity
    if step is not None:
        raise UsageError(f"--step: {path} is a model directory, which has one checkpoint")
    if not files.exists(files.join(path, TOKENIZER)):
        raise UsageError(f"{path}: has no {TOKENIZER}")
    from trainer.evaluation.transformers_model import TransformersModel

    return TransformersModel.open(path), identity
