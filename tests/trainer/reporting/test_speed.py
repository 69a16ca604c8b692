"""MFU and the remaining time."""

import time

import pytest
import torch

from trainer.models import MODELS
from trainer.parallel import DistributedContext
from trainer.reporting.speed import Speed

CPU = torch.device("cpu")


def speed(config, world_size: int, steps: int = 10) -> Speed:
    with torch.device("meta"):
        model = MODELS["codegen2"](MODELS["codegen2"].sizes["1B"], 51200)
    return Speed(model, config, DistributedContext(0, world_size, CPU), steps)


def test_mfu_is_that_of_the_formula(configure) -> None:
    """6.90 GFLOPs a token: 60,000 tokens a second are 41.8 % of 989.4 TF (llm-foundry)."""
    config = configure("data.sequence_length=2048", "metrics.peak_tflops=989.4")
    for processes in (1, 8):
        mfu = speed(config, processes).mfu(60_000 * processes)
        assert mfu == pytest.approx(0.418, rel=0.005)
    assert speed(configure(), 1).mfu(60_000) is None


def test_the_remaining_time_is_the_mean_after_the_first_update(configure, monkeypatch) -> None:
    seconds = iter([100.0, 102.0, 107.0, 107.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))
    measured = speed(configure(), 1)
    assert [measured.remaining_seconds(step) for step in (3, 4, 6, 10)] == [
        None,
        pytest.approx(2.0 * 6),
        pytest.approx(7 / 3 * 4),
        0,
    ]
