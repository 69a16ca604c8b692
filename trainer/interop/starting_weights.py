"""The weights that a run starts from: those of another run, or of a model directory (`init`)."""

import logging
from typing import Any

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import digest
from manifests.tokenizer.tokenizer import load_tokenizer
from trainer.checkpoints.checkpoint import load_model
from trainer.checkpoints.state import checkpoint_digest, file_record, read_state
from trainer.interop.folder import ModelFolder
from trainer.interop.record import Ancestor, write_ancestor
from trainer.interop.training_data import record_of_run
from trainer.interop.weights import Weights
from trainer.layout import PLAN
from trainer.models import Decoder
from trainer.parallel import DistributedContext, initialize, set_parameter
from trainer.run import Run

LOG = logging.getLogger(__name__)


def set_first_weights(run: Run, model: Decoder, context: DistributedContext) -> None:
    """Set the weights of step 0: those of `init`, or drawn ones; all processes call this function.

    The directory of the run records what the run starts from.

    Args:
        run: the run that begins.
        model: its sharded model.
        context: the processes.

    Raises:
        UsageError: `init` is no run and no model directory of `export` or `import`, its weights are
            a pickle, or its model or vocabulary is not that of the run.
        DataError: a file of `init` is damaged.
    """
    path, ancestor = run.config.init, None
    if path is None:
        initialize(model, run.config.seed, run.config.model.initialization)
    elif files.exists(files.join(path, PLAN)):
        ancestor = _from_run(Run.open(path), run, model, context)
    else:
        ancestor = _from_folder(ModelFolder.open(path), run, model, context)
    if context.rank == 0:
        write_ancestor(run.path, ancestor)
        if ancestor is not None:
            LOG.warning(
                "%s: starts with the weights of %s (digest %s); the optimizer, the learning rate's "
                "schedule and the data begin at step 0",
                *(run.path, path, ancestor.weights[:12]),
            )


def _from_run(
    source: Run, run: Run, model: Decoder, context: DistributedContext
) -> Ancestor | None:
    """Copy the weights of the last checkpoint of `source`; return the ancestor in process 0."""
    step = source.checkpoint_step()
    _check_fit(
        source.path, source.empty_model(), source.plan.sequence_length, source.tokenizer, run
    )
    load_model(source.checkpoints, step, model, context)
    if context.rank > 0:
        return None
    weights = checkpoint_digest(source.checkpoints, step)
    position = read_state(source.checkpoints, step)["stream"]["position"]
    record = record_of_run(source.path, source.plan, step, position)
    return Ancestor(name=_name(source.path), weights=weights, record=record)


def _from_folder(
    folder: ModelFolder, run: Run, model: Decoder, context: DistributedContext
) -> Ancestor | None:
    """Copy the weights of a model directory by parameter; return the ancestor in process 0."""
    record = folder.require_record()
    empty = folder.empty_model()
    _check_fit(folder.path, empty, folder.context, folder.tokenizer, run)
    folder.check_names(empty)
    read = folder.reader(folder.mp_num)
    for name, parameter in model.state_dict().items():
        whole = empty.from_hf_tensors(name, parameter.shape, read)
        set_parameter(parameter, whole.to(parameter.device, parameter.dtype))
    # The digest of the weights reads all files, which may be tens of gigabytes.
    if context.rank > 0:
        return None
    paths = set(Weights(folder.path).files.values())
    weights = digest({_name(path): file_record(path) for path in paths})
    return Ancestor(name=_name(folder.path), weights=weights, record=record)


def _check_fit(path: str, theirs: Decoder, context: int, tokenizer: str, run: Run) -> None:
    """Raise UsageError if a model is not the model of the run.

    Args:
        path: of the model, for the message.
        theirs: the model; its weights are not read.
        context: tokens of its sequences.
        tokenizer: path of its tokenizer.json.
        run: the run.
    """
    ours = run.empty_model()
    pairs = zip(_facts(theirs).items(), _facts(ours).values(), strict=True)
    for (name, their), our in pairs:
        if their != our:
            raise UsageError(f"init: the model of {path} has {name} {their}, and the run {our}")
    if context < run.plan.sequence_length:
        raise UsageError(
            f"init: the model of {path} has a context of {context} tokens, and "
            f"data.sequence_length is {run.plan.sequence_length}"
        )
    if load_tokenizer(tokenizer).get_vocab() != load_tokenizer(run.tokenizer).get_vocab():
        raise UsageError(
            f"init: the tokenizer of {path} has other tokens than that of the run's mixture"
        )


def _facts(model: Decoder) -> dict[str, Any]:
    """Return what must be the same in two models."""
    dims = model.dims
    return {
        "model": type(model).__name__,
        "layers": dims.layers,
        "width": dims.width,
        "heads": dims.heads,
        "inner": dims.inner,
        "rotary": model.rotary_dim,
        "rotary_base": dims.rotary_base,
        "norm_epsilon": model.epsilon,
        "vocabulary": model.vocabulary,
    }


def _name(path: str) -> str:
    """Return the last part of a path."""
    return path.rstrip("/").rsplit("/", 1)[-1]
