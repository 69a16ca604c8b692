"""Updates that would spoil the weights are skipped, or end the run before they are made."""

import json
import math
import os

import pytest
import torch

from manifests.errors import DataError
from trainer.checkpoints.state import checkpoint_steps
from trainer.config import OptimizerConfig
from trainer.metrics import read_metrics
from trainer.optimization.guard import UpdateGuard
from trainer.parallel import distributed_context
from trainer.run import Run
from trainer.trace import trace
from trainer.train import Training


def guard(**options) -> UpdateGuard:
    return UpdateGuard(OptimizerConfig(on_nonfinite="skip", norm_window=8, **options))


def fill(one: UpdateGuard) -> UpdateGuard:
    """Give a guard norms of mean 1 and standard deviation 0.1."""
    for norm in (0.9, 1.1) * 4:
        assert one.fault(2.0, norm) is None
    return one


def test_a_norm_far_above_the_last_ones_is_an_outlier() -> None:
    deviation = 0.1 * math.sqrt(8 / 7)
    assert fill(guard()).fault(2.0, 1 + 5.9 * deviation) is None
    fault = fill(guard()).fault(2.0, 1 + 6.1 * deviation)
    assert fault is not None
    assert "more than 6 standard deviations above 1, the mean of the last 8" in fault
    assert fill(guard(outlier_deviations=math.inf)).fault(2.0, 1e30) is None
    assert fill(guard()).fault(2.0, 0.0) is None


def test_the_first_norms_are_not_compared() -> None:
    one = guard()
    for norm in (1.0, 1.001, 0.999):
        assert one.fault(2.0, norm) is None
    assert one.fault(2.0, 50.0) is None


def test_the_run_ends_after_so_many_skips_in_a_row() -> None:
    one = guard(max_skips=2)
    for _ in range(3):
        assert one.fault(math.nan, 1.0) == "the loss is nan"
        assert one.fault(1.0, math.inf) == "the gradient norm is inf"
        assert one.fault(1.0, 1.0) is None
    one.fault(math.nan, 1.0)
    one.fault(math.nan, 1.0)
    with pytest.raises(DataError, match="the loss is nan, after 2 skipped updates in a row"):
        one.fault(math.nan, 1.0)


def test_a_guard_that_continues_decides_as_the_first_one() -> None:
    one, other = fill(guard(max_skips=1)), guard(max_skips=1)
    one.fault(math.nan, 1.0)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert other.state_dict() == one.state_dict()
    with pytest.raises(DataError, match="after 1 skipped"):
        other.fault(1.0, 9.0)


def run_spoiled(config, step: int, value: float):
    """Train with a gradient of the embedding that is `value` at one update."""
    with distributed_context(1) as context:
        training = Training(config, context)

        def spoil(module, inputs, output):
            if training.progress.step == step - 1 and output.requires_grad:
                output.register_hook(lambda gradient: gradient * value)

        training.model.embed.register_forward_hook(spoil)
        return training.fit()


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_gradient_that_is_not_finite_reaches_no_weight_and_no_checkpoint(
    configure, value: float
) -> None:
    config = configure("checkpoint.every=2")
    with pytest.raises(DataError) as caught:
        run_spoiled(config, 6, value)
    message = str(caught.value)
    assert "step 6: the gradient norm is nan" in message or "norm is inf" in message
    assert "the newest checkpoint is of step 4" in message
    assert "data.skip=[[40, 48]] leaves" in message
    run = Run.open(config.output)
    assert checkpoint_steps(run.checkpoints) == [2, 4]
    assert all(bool(torch.isfinite(w).all()) for w in run.model().state_dict().values())
    assert trace(run, 6, 7)["position"] == 47


def test_skipped_updates_are_counted_and_the_weights_stay_finite(configure) -> None:
    config = configure("optimizer.on_nonfinite=skip")
    last = run_spoiled(config, 4, math.inf)
    assert (last["step"], last["skipped"]) == (8, 1)
    lines = read_metrics(os.path.join(config.output, "metrics.jsonl"))
    assert [line["skipped"] for line in lines] == [0, 0, 0, 1, 1, 1, 1, 1]
    assert [line["gradient_norm"] is None for line in lines].index(True) == 3
    weights = Run.open(config.output).model().state_dict().values()
    assert all(bool(torch.isfinite(weight).all()) for weight in weights)


def test_weights_that_are_not_finite_are_not_saved(configure) -> None:
    config = configure("checkpoint.every=2")
    with distributed_context(1) as context, pytest.raises(DataError) as caught:
        training = Training(config, context)
        # No sequence has this token, so neither loss nor gradient shows the value.
        training.model.embed.register_forward_hook(lambda *_: poison(training))
        training.fit()
    assert "at step 4 are not finite, so no checkpoint is written; the newest one is of step 2" in (
        str(caught.value)
    )
    assert checkpoint_steps(os.path.join(config.output, "checkpoints")) == [2]


def poison(training: Training) -> None:
    if training.progress.step == 3:
        with torch.no_grad():
            weight = training.optimizer.param_groups[0]["params"][0]
            training.optimizer.state[weight]["exp_avg_sq"].to_local()[-1, -1] = math.inf
