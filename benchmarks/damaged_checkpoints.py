"""Measure how many damaged checkpoints are noticed, against PyTorch's distributed checkpoint alone.

For each model a directory of three checkpoints is damaged in 100 ways, one at a time, in the last
checkpoint: flipped bits, cut files and missing files. A damage is noticed if the trainer selects
the checkpoint before it. The peer notices a damage if its loader raises an error.
"""

import logging
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.claims import Claim, main, say
from trainer.checkpoints.checkpoint import Checkpoints
from trainer.checkpoints.state import RunState, checkpoint_path
from trainer.checkpoints.storage import read_tensors
from trainer.config import CheckpointConfig, OptimizerConfig
from trainer.models import MODELS, Decoder, DecoderDims
from trainer.optimization.optimizer import make_optimizer
from trainer.parallel import DistributedContext, distributed_context, initialize, shard

DIMS = DecoderDims(layers=2, width=64, heads=4, inner=128)

FLIPS, CUTS = 25, 7
"""Damages of each of the three files; with a missing file each, and the rest of flips, 100."""


def measure(data: Path) -> list[Claim]:
    """Damage the checkpoints of each model; no data is read."""
    logging.disable(logging.WARNING)
    with distributed_context() as context:
        return [_claim(name, context) for name in MODELS]


def _claim(name: str, context: DistributedContext) -> Claim:
    with tempfile.TemporaryDirectory() as directory:
        checkpoints, model = write(directory, name, context)
        last = Path(checkpoint_path(directory, 3))
        pristine = Path(directory) / "pristine"
        shutil.copytree(last, pristine)
        noticed = loader = total = 0
        for damage in damages(last):
            damage()
            state = checkpoints.select()
            noticed += state is not None and state["progress"]["step"] == 2
            loader += not loads(last, model)
            total += 1
            shutil.rmtree(last, ignore_errors=True)
            shutil.copytree(pristine, last)
        state = checkpoints.select()
        assert state is not None and state["progress"]["step"] == 3
    say(f"damaged_checkpoints: {name}: {noticed} of {total}, the loader alone {loader}")
    claim = (
        f"damaged checkpoints noticed of {total}, {name}, and the one before selected; peer: "
        "PyTorch's distributed checkpoint"
    )
    # The goal is met if every damage is noticed.
    return Claim(claim, noticed, loader, total / loader, ("torch",))


def write(directory: str, name: str, context: DistributedContext) -> tuple[Checkpoints, Decoder]:
    """Write checkpoints of steps 1, 2 and 3; return them, and their model."""
    with torch.device("meta"):
        model = MODELS[name](DIMS, 500)
    shard(model, context, bf16=False)
    initialize(model, 1)
    optimizer = make_optimizer(model, OptimizerConfig())
    checkpoints = Checkpoints(directory, CheckpointConfig(), context)
    for step in (1, 2, 3):
        state: RunState = {
            "progress": {"step": step},
            "stream": {"position": 8 * step},
            "guard": {"norms": [0.5] * 128},
            "losses": [],
            "config": "",
            "world_size": 1,
        }
        checkpoints.save(step, model, optimizer, state)
    checkpoints.close()
    return checkpoints, model


def damages(checkpoint: Path) -> Iterator[Callable[[], None]]:
    """Yield 100 functions, each of which damages a checkpoint."""
    draw = random.Random(3)
    paths = sorted(path for path in checkpoint.iterdir())
    for path in paths:
        size = path.stat().st_size
        for _ in range(FLIPS):
            place, bit = draw.randrange(size), 1 << draw.randrange(8)
            yield partial(_flip, path, place, bit)
        for _ in range(CUTS):
            length = draw.randrange(size)
            yield partial(_cut, path, length)
        yield path.unlink
    yield partial(shutil.rmtree, checkpoint)


def _flip(path: Path, place: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= bit
    path.write_bytes(data)


def _cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def loads(checkpoint: Path, model: Decoder) -> bool:
    """Tell whether PyTorch's loader reads the weights of a checkpoint without an error."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    try:
        read_tensors(str(checkpoint), tensors, no_dist=False)
    except Exception:  # whatever a damaged pickle raises
        return False
    return True


if __name__ == "__main__":
    main("benchmarks.damaged_checkpoints", measure)
