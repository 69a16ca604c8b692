"""TensorBoard has the numbers of metrics.jsonl, and W&B gets them where it is wanted."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manifests.errors import UsageError
from tests.trainer.recorder import Recorder, kill
from trainer.metrics import read_metrics
from trainer.reporting.trackers import numbers
from trainer.train import train

CHOSEN = ["schedule.steps=4", "validation.every=2", "validation.documents=2", "checkpoint.every=2"]

WANDB = """
import json
import sys

class Run:
    def __init__(self, options):
        self.path = options["dir"] + "/wandb.json"
        self.calls = [{"init": options["project"], "id": options["id"]}]
    def define_metric(self, name, step_metric):
        self.calls.append({"define": name, "by": step_metric})
    def log(self, numbers):
        self.calls.append(numbers)
    def finish(self):
        with open(self.path, "w") as file:
            json.dump(self.calls, file)

def init(**options):
    return Run(options)
"""
"""A stand-in for the package wandb: it writes what it gets to DIR/wandb.json."""


def test_tensorboard_has_each_update_once_after_a_run_was_killed(configure) -> None:
    config = configure(*CHOSEN, "metrics.components_every=2")
    with pytest.raises(MemoryError):
        train(config, source=Recorder(3, kill))
    train(config)
    events = EventAccumulator(f"{config.output}/tensorboard")
    events.Reload()
    lines = read_metrics(f"{config.output}/metrics.jsonl")
    wanted: dict[str, list[Any]] = {name: [] for line in lines for name, _ in numbers(line)}
    for line in lines:
        for name, value in numbers(line):
            wanted[name].append((line["step"], pytest.approx(value, rel=1e-6)))
    got = {name: [(e.step, e.value) for e in events.Scalars(name)] for name in wanted}
    assert got == wanted
    assert {"train/loss", "loss by objective/clm", "validation infill loss/all"} <= set(wanted)
    assert [step for step, _ in got["epochs/the-stack/python"]] == [2, 4]


def test_wandb_gets_the_numbers_if_it_is_wanted(configure, monkeypatch) -> None:
    config = configure(*CHOSEN, "metrics.wandb=ours")
    with pytest.raises(UsageError, match=r"metrics\.wandb: wandb is not installed"):
        train(config)
    stand_in = ModuleType("wandb")
    exec(WANDB, vars(stand_in))
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    train(config)
    begun, defined, *logged = json.loads(Path(config.output, "wandb.json").read_text())
    assert begun["init"] == "ours" and len(begun["id"]) == 32
    assert defined == {"define": "*", "by": "step"}
    lines = read_metrics(f"{config.output}/metrics.jsonl")
    assert logged == [{"step": line["step"], **dict(numbers(line))} for line in lines]
