"""An update that does not fit in memory ends with a sentence that names a smaller micro-batch."""

import re

import pytest
import torch

from manifests.errors import DataError
from tests.trainer.recorder import Recorder
from trainer.checkpoints.state import checkpoint_steps
from trainer.estimate import estimate
from trainer.models import MODELS
from trainer.out_of_memory import advice
from trainer.parallel import distributed_context
from trainer.run import Run, open_or_create_run
from trainer.train import train


def on_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def on_cpu() -> None:
    torch.empty(1 << 60)


def gibibytes(config) -> str:
    return f"{estimate(config, 1, 0.4, 1.0)['memory']['total'] / 2**30:.2f} GiB"


@pytest.mark.parametrize("fails", [on_gpu, on_cpu])
def test_the_message_says_what_the_plan_says(configure, monkeypatch, fails) -> None:
    config = configure("batch.micro_batch=8")
    whole = MODELS["codegen2"].forward

    def forward(model, *arguments, **options):
        if len(seen.batches) == 5:
            fails()
        return whole(model, *arguments, **options)

    monkeypatch.setattr(MODELS["codegen2"], "forward", forward)
    seen = Recorder()
    expected = (
        f"{config.output}: the memory does not suffice: `train --plan` says {gibibytes(config)} "
        "for a process with batch.micro_batch = 8, and "
        f"{gibibytes(configure('batch.micro_batch=4'))} for a process with batch.micro_batch = 4"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        train(config, source=seen)
    assert checkpoint_steps(f"{config.output}/checkpoints") == [3]
    monkeypatch.undo()
    assert train(configure("batch.micro_batch=4"))["step"] == 8


def test_other_errors_are_not_touched(configure, monkeypatch) -> None:
    def forward(model, *arguments, **options):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(MODELS["codegen2"], "forward", forward)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(configure())


def run_of(config) -> Run:
    with distributed_context() as context:
        return open_or_create_run(config, context)


def test_the_largest_micro_batch_that_fits_is_named(configure) -> None:
    size = "model.size={ layers = 2, width = 256, heads = 4, inner = 1024 }"
    run = run_of(configure("batch.micro_batch=12", "batch.sequences=12", size))
    needed = {
        rows: estimate(
            configure(f"batch.micro_batch={rows}", "batch.sequences=12", size), 1, 0.4, 1.0
        )["memory"]["total"]
        for rows in (1, 2, 3, 4, 6, 12)
    }
    assert len(set(needed.values())) > 3
    for rows in (1, 2, 3, 4, 6):
        text = advice(run, 1, needed[rows] + 1)
        named = int(re.findall(r"micro_batch = (\d+)", text)[-1])
        assert needed[named] <= needed[rows] and named >= rows
    assert "micro_batch = 1" in advice(run, 1, 1)


def test_with_one_sequence_the_activations_can_be_recomputed(configure) -> None:
    run = run_of(configure("batch.micro_batch=1"))
    assert advice(run, 1, None).endswith("GiB with activation_checkpointing = true")
    run = run_of(configure("batch.micro_batch=1", "activation_checkpointing=true"))
    assert advice(run, 1, None).endswith("; start more processes")
