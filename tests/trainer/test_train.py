"""Training over a small dataset: the loss falls, and interruptions change no result."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.errors import DataError, UsageError
from objectives.stream.stream import Stream
from trainer import train as module
from trainer.checkpoints.checkpoint import complete_steps
from trainer.interrupt import Interrupted
from trainer.metrics import read_metrics
from trainer.run import Run
from trainer.train import train

HOUSE = Path(__file__).parents[2]


def figures(path: str) -> list[tuple[float, ...]]:
    keys = ("step", "position", "loss", "learning_rate", "gradient_norm", "loss_tokens", "padding")
    lines: list[Any] = list(read_metrics(os.path.join(path, "metrics.jsonl")))
    return [tuple(line[key] for key in keys) for line in lines]


def weights(path: str) -> list[torch.Tensor]:
    return list(Run.open(path).model().state_dict().values())


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def stop_after(monkeypatch, step: int, how) -> list[tuple[bytes, bytes]]:
    """Make `how` happen as the update after `step` begins; return the batches that are seen."""
    seen: list[tuple[bytes, bytes]] = []
    update = module.Training._update

    def updating(self, batch, *rest):
        if self.progress.step == step:
            how()
        made = update(self, batch, *rest)
        if made:
            seen.append((batch.tokens.tobytes(), batch.loss_weights.tobytes()))
        return made

    monkeypatch.setattr(module.Training, "_update", updating)
    return seen


def kill():
    raise MemoryError


def test_a_resumed_run_of_several_objectives_repeats_the_whole_run(monkeypatch, configure) -> None:
    """With prefixes, which positions at the front see; stopped in between and resumed."""
    chosen = (
        "data.objective={ ul2_x8 = 1, prefix_lm = 1, fim = 2 }",
        "data.settings={ fim = { sentinels = [300, 301, 302] }, prefix_lm = { ratio_low = 0.5 } }",
    )
    train(whole := configure("output=whole", *chosen))
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        stop_after(patch, 5, kill)
        train(configure(*chosen))
    train(stopped := configure(*chosen))
    assert figures(stopped.output) == figures(whole.output)
    with pytest.raises(UsageError, match=r"data.settings was .* when this run began and is"):
        train(configure(chosen[0]))


def test_a_range_of_positions_can_be_skipped_when_a_run_continues(monkeypatch, configure) -> None:
    first = configure("schedule.steps=6")
    rows = first.batch.sequences
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        stop_after(patch, 3, kill)
        train(first)
    window = f"data.skip=[[{4 * rows + 1}, {4 * rows + 3}]]"
    seen = stop_after(monkeypatch, -1, kill)
    train(going_on := configure("schedule.steps=6", window))
    expected = [0, rows, 2 * rows, 3 * rows, 4 * rows + 3, 5 * rows + 3]
    assert [line[1] for line in figures(going_on.output)] == expected
    stream = Stream.open(Run.open(going_on.output).plan)
    batches = [stream.batch(position, rows).tokens.tobytes() for position in expected[3:]]
    assert [tokens for tokens, _ in seen] == batches
    assert Run.open(going_on.output).config.data.skip == [(4 * rows + 1, 4 * rows + 3)]
    with pytest.raises(UsageError, match="skip: ranges"):
        configure("data.skip=[[5, 9], [7, 12]]")


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    monkeypatch, configure, precision: str
) -> None:
    options = [f"precision={precision}"]
    whole_run, killed = configure(*options, "output=a"), configure(*options, "output=b")
    with monkeypatch.context() as patch:
        wanted = stop_after(patch, -1, kill)
        train(whole_run)
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        got = stop_after(patch, 5, kill)
        train(killed)
    assert complete_steps(os.path.join(killed.output, "checkpoints")) == [3]
    with monkeypatch.context() as patch:
        rest = stop_after(patch, -1, kill)
        train(killed)
    assert got[:3] + rest == wanted
    assert figures(killed.output) == figures(whole_run.output)
    assert equal(weights(killed.output), weights(whole_run.output))


def test_the_loss_falls(configure) -> None:
    config = configure("schedule.steps=40", "batch.micro_batch=8", "checkpoint.every=100")
    metrics = train(config)
    losses = [line["loss"] for line in read_metrics(os.path.join(config.output, "metrics.jsonl"))]
    assert metrics["loss"] == losses[-1] < 0.6 * losses[0]
    assert complete_steps(os.path.join(config.output, "checkpoints")) == [40]


def test_micro_batches_change_nothing_but_rounding(configure) -> None:
    one, other = configure("output=a", "batch.micro_batch=8"), configure("output=b")
    train(one)
    train(other)
    for left, right in zip(figures(one.output), figures(other.output), strict=True):
        assert left == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_a_checkpoint_and_the_same_command_continues(
    monkeypatch, configure, number
) -> None:
    config = configure()
    with monkeypatch.context() as patch:
        stop_after(patch, 4, lambda: signal.raise_signal(number))
        with pytest.raises(Interrupted, match="after step 4 of 8; the same command continues"):
            train(config)
    assert signal.getsignal(number) is not None
    assert complete_steps(os.path.join(config.output, "checkpoints"))[-1] == 4
    assert train(config)["step"] == 8
    assert [line[0] for line in figures(config.output)] == list(range(1, 9))


def test_a_loss_that_is_not_finite_stops_before_the_update(monkeypatch, configure) -> None:
    config = configure()
    forward_backward = module.Training._forward_backward

    def spoil(self, *rest):
        return float("nan") if self.progress.step == 4 else forward_backward(self, *rest)

    monkeypatch.setattr(module.Training, "_forward_backward", spoil)
    with pytest.raises(DataError, match="loss of step 5 is nan; the last checkpoint is of step 3"):
        train(config)
    assert complete_steps(os.path.join(config.output, "checkpoints")) == [3]


def test_seed_model_and_data_may_not_change_during_a_run(configure) -> None:
    train(configure("schedule.steps=1"))
    for change, message in [
        ("seed=6", "seed was 5 when this run began and is 6 now"),
        ("model.size.layers=1", "model.size was"),
        ("data.objective=clm", "data.objective was codegen2"),
        ("data.sequence_length=32", "data.sequence_length was 64"),
    ]:
        with pytest.raises(UsageError, match=message):
            train(configure(change))


def test_the_batch_size_may_change_during_a_run(configure) -> None:
    train(configure("schedule.steps=2"))
    train(configure("schedule.steps=4", "batch.sequences=4"))
    lines = read_metrics(os.path.join(configure().output, "metrics.jsonl"))
    assert [(line["position"], line["sequences"]) for line in lines] == [
        (0, 8),
        (8, 8),
        (16, 4),
        (20, 4),
    ]


def torchrun(processes: int, config: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", "-m", "trainer", config, *overrides]
    environment = os.environ | {"PYTHONPATH": str(HOUSE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_two_processes_make_the_same_run_and_one_continues_it(run_toml, configure) -> None:
    alone = configure("output=alone")
    train(alone)
    wanted = figures(alone.output)
    torchrun(2, run_toml, "schedule.steps=8")
    together = configure()
    for left, right in zip(figures(together.output), wanted, strict=True):
        assert left == pytest.approx(right, rel=1e-3)
    last = os.path.join(together.output, "checkpoints", "00000008")
    assert json.loads(Path(last, "checkpoint.json").read_text())["world_size"] == 2
    for name in os.listdir(last):
        os.remove(os.path.join(last, name))
    train(together)
    assert complete_steps(os.path.join(together.output, "checkpoints")) == [3, 6, 8]
    for left, right in zip(figures(together.output), wanted, strict=True):
        assert left == pytest.approx(right, rel=1e-3)


def test_metrics_count_tokens_padding_and_documents(configure) -> None:
    config = configure()
    last = train(config)
    assert last["tokens"] == 8 * 8 * 64
    assert 0.5 * last["tokens"] < last["loss_tokens"] < last["tokens"]
    assert 0 <= last["padding"] < 0.2 * last["tokens"]
    assert 8 * 8 <= last["documents"] < last["tokens"]
    seen = {name: count["addresses"] for name, count in last["components"].items()}
    assert set(seen) == {"the-stack/python", "the-stack/cpp", "the-pile/wikipedia-en"}
    assert sum(seen.values()) == pytest.approx(last["tokens"], rel=0.3)


def test_a_run_has_these_files_and_can_be_opened(configure) -> None:
    config = configure("schedule.steps=2")
    train(config)
    names = {"run.toml", "plan.json", "tokenizer.json", "metrics.jsonl", "checkpoints"}
    assert set(os.listdir(config.output)) == names
    assert Run.open(config.output).config == config
    with pytest.raises(UsageError, match=re.escape("is not a run")):
        Run.open(os.path.dirname(config.output))
