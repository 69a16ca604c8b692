"""`train --plan`: the figures of a run before it starts."""

import pytest
import torch

from benchmarks.torch_memory import peak_bytes
from trainer.estimate import estimate, estimate_table
from trainer.models import MODELS
from trainer.parallel import distributed_context
from trainer.reporting.speed import flops_per_token
from trainer.train import Training, train

WIDE = "model.size={ layers = 3, width = 256, heads = 4, inner = 1024 }"


LONG = ["batch.micro_batch=8", "data.sequence_length=256"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("codegen2", ["batch.micro_batch=2"]),
        ("codegen2", [*LONG, "precision=bf16"]),
        ("llama", LONG),
        ("llama", [*LONG, "activation_checkpointing=true"]),
    ],
)
def test_the_memory_of_an_update_is_the_estimated_one(configure, name, options) -> None:
    config = configure(
        "schedule.steps=3", "checkpoint.every=1", f"model.name={name}", WIDE, *options
    )
    with distributed_context(1) as context:
        peak = peak_bytes(lambda: Training(config, context).fit())
    estimated = estimate(config, 1, 0.4, 1.0)["memory"]["total"]
    assert estimated == pytest.approx(peak, rel=0.1)


def test_tokens_steps_and_epochs_are_those_of_the_run(configure) -> None:
    needed = estimate(configure(), 1, 0.4, 1.0)
    last = train(configure())
    assert needed["steps"] == last["step"]
    assert needed["tokens"] == last["tokens"]
    assert needed["epochs"] == {name: c["epochs"] for name, c in last["components"].items()}
    assert estimate_table(configure(), needed).row_count == 15 + len(needed["epochs"])


def test_more_processes_share_the_memory_and_the_work(configure) -> None:
    one, four = (estimate(configure(), processes, 0.5, 1.0) for processes in (1, 4))
    for part in ("weights", "optimizer"):
        assert four["memory"][part] == one["memory"][part] // 4
    assert four["memory"]["activations"] == one["memory"]["activations"]
    assert four["seconds"] == pytest.approx(one["seconds"] / 4)


def test_the_time_of_codegen2_1b_is_that_of_the_formula() -> None:
    """6.90 GFLOPs a token at 2,048: 41.8 % of 989.4 TF are 60,000 tokens a second."""
    with torch.device("meta"):
        model = MODELS["codegen2"](MODELS["codegen2"].sizes["1B"], 51200)
    assert 0.418 * 989.4e12 / flops_per_token(model, 2048) == pytest.approx(60_000, rel=0.005)
