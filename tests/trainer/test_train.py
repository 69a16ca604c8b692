"""Training over a small dataset: the loss falls, and interruptions change no result."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.errors import DataError, UsageError
from objectives.stream.stream import Stream
from tests.trainer.recorder import Recorder, kill
from trainer.checkpoints.state import checkpoint_steps, read_state
from trainer.interrupt import Interrupted
from trainer.metrics import read_metrics
from trainer.run import Run
from trainer.train import train


def figures(path: str) -> list[tuple[float, ...]]:
    keys = ("step", "position", "loss", "learning_rate", "gradient_norm", "loss_tokens", "padding")
    lines: list[Any] = list(read_metrics(os.path.join(path, "metrics.jsonl")))
    return [tuple(line[key] for key in keys) for line in lines]


def weights(path: str) -> list[torch.Tensor]:
    return list(Run.open(path).model().state_dict().values())


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_resumed_run_of_several_objectives_repeats_the_whole_run(configure) -> None:
    """With prefixes, which positions at the front see; stopped in between and resumed."""
    chosen = (
        "data.objective={ ul2_x8 = 1, ul2_s = 1, fim = 2 }",
        "data.settings={ fim = { sentinels = [299, 300, 301], rate = 0.5 } }",
    )
    train(whole := configure("output=whole", *chosen))
    with pytest.raises(MemoryError):
        train(configure(*chosen), source=Recorder(5, kill))
    train(stopped := configure(*chosen))
    assert figures(stopped.output) == figures(whole.output)
    changed = chosen[1].replace("0.5", "0.6")
    with pytest.raises(UsageError, match=r"data.settings was .* when this run began and is"):
        train(configure(chosen[0], changed))


def test_a_range_of_positions_can_be_skipped_when_a_run_continues(configure) -> None:
    first = configure("schedule.steps=6")
    rows = first.batch.sequences
    with pytest.raises(MemoryError):
        train(first, source=Recorder(3, kill))
    window = f"data.skip=[[{4 * rows + 1}, {4 * rows + 3}]]"
    seen = Recorder()
    train(going_on := configure("schedule.steps=6", window), source=seen)
    expected = [0, rows, 2 * rows, 3 * rows, 4 * rows + 3, 5 * rows + 3]
    assert [line[1] for line in figures(going_on.output)] == expected
    stream = Stream.open(Run.open(going_on.output).plan)
    batches = [stream.batch(position, rows).tokens.tobytes() for position in expected[3:]]
    assert [tokens for tokens, _ in seen.content] == batches
    assert Run.open(going_on.output).config.data.skip == [(4 * rows + 1, 4 * rows + 3)]
    with pytest.raises(UsageError, match="skip: ranges"):
        configure("data.skip=[[5, 9], [7, 12]]")


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(configure, precision: str) -> None:
    options = [f"precision={precision}", "metrics.components_every=4"]
    whole_run, killed = configure(*options, "output=a"), configure(*options, "output=b")
    wanted, got, rest = Recorder(), Recorder(5, kill), Recorder()
    last = train(whole_run, source=wanted)
    with pytest.raises(MemoryError):
        train(killed, source=got)
    assert checkpoint_steps(os.path.join(killed.output, "checkpoints")) == [3]
    resumed = train(killed, source=rest)
    assert got.content[:3] + rest.content == wanted.content
    assert figures(killed.output) == figures(whole_run.output)
    assert equal(weights(killed.output), weights(whole_run.output))
    assert resumed["losses"] == last["losses"]


def test_the_loss_falls(configure) -> None:
    config = configure("schedule.steps=40", "batch.micro_batch=8", "checkpoint.every=100")
    metrics = train(config)
    losses = [line["loss"] for line in read_metrics(os.path.join(config.output, "metrics.jsonl"))]
    assert losses[0] is not None
    assert metrics["loss"] is not None
    assert metrics["loss"] == losses[-1]
    assert metrics["loss"] < 0.6 * losses[0]
    assert checkpoint_steps(os.path.join(config.output, "checkpoints")) == [40]


def test_micro_batches_change_nothing_but_rounding(configure) -> None:
    one, other = configure("output=a", "batch.micro_batch=8"), configure("output=b")
    train(one)
    train(other)
    for left, right in zip(figures(one.output), figures(other.output), strict=True):
        assert left == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_a_checkpoint_and_the_same_command_continues(configure, number) -> None:
    config = configure()
    with pytest.raises(Interrupted, match="after step 4 of 8; the same command continues"):
        train(config, source=Recorder(4, lambda: signal.raise_signal(number)))
    assert signal.getsignal(number) is not None
    assert checkpoint_steps(os.path.join(config.output, "checkpoints"))[-1] == 4
    assert train(config)["step"] == 8
    assert [line[0] for line in figures(config.output)] == list(range(1, 9))


def test_seed_model_and_data_may_not_change_during_a_run(configure) -> None:
    train(configure("schedule.steps=1"))
    for change, message in [
        ("seed=6", "seed was 5 when this run began and is 6 now"),
        ("model.size.layers=1", "model.size was"),
        ("data.objective=clm", "data.objective was codegen2"),
        ("data.attention=prefix", "data.attention was causal"),
        ("data.sequence_length=32", "data.sequence_length was 64"),
    ]:
        with pytest.raises(UsageError, match=message):
            train(configure(change))


def said(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("trainer")]


def test_what_changes_when_a_run_continues_is_said(configure, caplog) -> None:
    for _ in range(2):
        train(configure("schedule.steps=4", "optimizer.learning_rate=2e-3"))
    assert said(caplog) == []
    train(configure("schedule.steps=8", "optimizer.weight_decay=0.2"))
    assert said(caplog) == [
        f"{configure().output}: {change}"
        for change in (
            "optimizer.learning_rate was 0.002 and is 0.01",
            "optimizer.weight_decay was 0.1 and is 0.2",
            "schedule.steps was 4 and is 8",
            "the learning rate was 2e-05 at step 4 and is 0.00501 at step 5",
        )
    ]
    rates = [line[3] for line in figures(configure().output)]
    assert rates[3:5] == pytest.approx([2e-5, 0.00501], rel=1e-3)
    states = [read_state(os.path.join(configure().output, "checkpoints"), n) for n in (4, 8)]
    assert ["learning_rate = 0.002" in state["config"] for state in states] == [True, False]


def test_a_run_can_go_back_to_an_earlier_checkpoint(configure) -> None:
    train(config := configure("schedule.steps=6", "checkpoint.every=2"))
    wanted = figures(config.output)
    train(config, start=2)
    assert figures(config.output) == wanted
    names = set(os.listdir(os.path.join(config.output, "checkpoints")))
    assert names == {"00000002", "00000004", "00000006", "00000004.unused", "00000006.unused"}


def test_a_refused_command_renames_no_checkpoint(configure) -> None:
    train(config := configure("schedule.steps=4", "checkpoint.every=2"))
    metrics = Path(config.output, "metrics.jsonl").read_bytes()
    with pytest.raises(UsageError, match=r"metrics\.wandb: wandb is not installed"):
        train(configure("schedule.steps=4", "metrics.wandb=ours"), start=2)
    assert set(os.listdir(os.path.join(config.output, "checkpoints"))) == {"00000002", "00000004"}
    assert Path(config.output, "metrics.jsonl").read_bytes() == metrics


def test_a_run_with_a_damaged_checkpoint_continues_from_the_one_before(configure) -> None:
    train(config := configure())
    wanted = figures(config.output)
    for name in os.listdir(last := os.path.join(config.output, "checkpoints", "00000008")):
        os.truncate(os.path.join(last, name), 10)
    with pytest.raises(DataError, match="00000008"):
        Run.open(config.output).model()
    Run.open(config.output).model(6)
    train(config)
    assert figures(config.output) == wanted


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


def test_metrics_count_tokens_padding_and_documents(configure) -> None:
    config = configure()
    last = train(config)
    assert last["tokens"] == 8 * 8 * 64
    assert 0.5 * last["tokens"] < last["loss_tokens"] < last["tokens"]
    assert 0 <= last["padding"] < 0.2 * last["tokens"]
    assert 8 * 8 <= last["documents"] < last["tokens"]
    assert 0 <= last["thinned"] <= last["eligible"] <= last["documents"] and last["eligible"] > 0
    seen = {name: count["addresses"] for name, count in last["components"].items()}
    assert set(seen) == {"the-stack/python", "the-stack/cpp", "the-pile/wikipedia-en"}
    assert sum(seen.values()) == pytest.approx(last["tokens"], rel=0.3)


def test_a_run_has_these_files_and_can_be_opened(configure) -> None:
    config = configure("schedule.steps=2")
    train(config)
    names = {"run.toml", "plan.json", "tokenizer.json", "metrics.jsonl", "stackpile.json"}
    names |= {"checkpoints", "lease", "tensorboard"}
    assert set(os.listdir(config.output)) == names
    assert Run.open(config.output).config == config
    with pytest.raises(UsageError, match=re.escape("is not a run")):
        Run.open(os.path.dirname(config.output))
