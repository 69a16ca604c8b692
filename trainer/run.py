"""A run's directory: run.toml, plan.json, tokenizer.json, metrics.jsonl, checkpoints/STEP/."""

import json
import logging
import os
from dataclasses import dataclass
from typing import Any, cast

import tomli_w
import torch

from manifests.dataset.dataset import Dataset
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.mixture.mixture import load_mixture
from manifests.mixture.resolve import resolve
from objectives.stream.plan import Plan, load_plan, make_plan, save_plan, tombstones_of
from objectives.stream.plan_stages import obeying
from trainer.checkpoint import load_model, read_facts, whole_steps
from trainer.config import RunConfig, load_run_config
from trainer.models import MODELS, Decoder
from trainer.parallel import World

LOG = logging.getLogger(__name__)

PLAN, TOKENIZER = "plan.json", "tokenizer.json"


@dataclass(frozen=True)
class Run:
    """A run that has begun."""

    path: str
    config: RunConfig
    plan: Plan

    @classmethod
    def open(cls, path: str) -> "Run":
        """Open a run's directory; UsageError where there is none."""
        if not files.exists(files.join(path, PLAN)):
            raise UsageError(f"{path}: is no run: it has no {PLAN}")
        config = load_run_config(files.join(path, "run.toml"))
        return cls(path, config, load_plan(files.join(path, PLAN)))

    @property
    def checkpoints(self) -> str:
        """The directory of the checkpoints."""
        return files.join(self.path, "checkpoints")

    @property
    def tokenizer(self) -> str:
        """The run's own copy of the tokenizer."""
        return files.join(self.path, TOKENIZER)

    @property
    def metrics(self) -> str:
        """One JSON object a line, one line an update."""
        return files.join(self.path, "metrics.jsonl")

    def step(self, wanted: int | None = None) -> int:
        """Return the step of the last checkpoint, or of the `wanted` one."""
        steps = whole_steps(self.checkpoints)
        if not steps:
            raise UsageError(f"{self.path}: has no checkpoint yet")
        if wanted is not None and wanted not in steps:
            raise UsageError(f"{self.path}: has no checkpoint of step {wanted}, only of {steps}")
        return steps[-1] if wanted is None else wanted

    def model(self, step: int | None = None) -> Decoder:
        """Return the float32 model of a checkpoint (the last one), on the CPU."""
        with torch.device("meta"):
            model = self.empty_model()
        model.to_empty(device="cpu")
        load_model(self.checkpoints, self.step(step), model)
        return model.eval()

    def empty_model(self) -> Decoder:
        """Return a model of the run's shape, its weights not yet set."""
        config = self.config.model
        return MODELS[config.name](config.dims, self.plan.control.vocabulary)

    def metric(self, step: int) -> dict[str, Any]:
        """Return the metrics of a step; UsageError where the run has not made it."""
        for line in read_metrics(self.metrics):
            if line["step"] == step:
                return line
        raise UsageError(f"{self.path}: has not made step {step}")


def begin(config: RunConfig, world: World) -> Run:
    """Open the run of a config, and begin it where it has not been.

    Raises:
        UsageError: the directory holds another run: other data, another model or another seed.
    """
    path = config.output
    begun = Run.open(path) if files.exists(files.join(path, PLAN)) else None
    plan = _plan(config, begun)
    if begun is not None:
        _same(begun, config, plan)
        plan = _forgetting(config, begun, plan)
    world.wait()
    if world.rank == 0:
        dataset = Dataset.open(plan.components[0].dataset)
        here = {"output": ".", "mixture": os.path.relpath(config.mixture, path)}
        text = tomli_w.dumps(config.model_dump(exclude_none=True) | here)
        files.write_bytes(files.join(path, "run.toml"), text.encode())
        files.write_bytes(files.join(path, TOKENIZER), files.read_bytes(dataset.tokenizer_path))
        # Last, for it makes the directory a run.
        save_plan(plan, files.join(path, PLAN))
    world.wait()
    # As the first process saw the tombstones: one may have come between two processes' looks.
    return Run(path, config, load_plan(files.join(path, PLAN)))


def _plan(config: RunConfig, begun: Run | None) -> Plan:
    mixture, data = load_mixture(config.mixture), config.data
    # A batch may change in a run, but how far units are interleaved may not.
    batch = config.batch.sequences if begun is None else begun.plan.interleave
    return make_plan(
        mixture,
        data.objective,
        batch=batch,
        sequence_length=data.sequence_length,
        settings=data.settings,
        tombstones=None if begun is None else begun.plan.stages[0].tombstones,
    )


def _forgetting(config: RunConfig, begun: Run, plan: Plan) -> Plan:
    """Return the plan with what was forgotten since, from the next stage on."""
    steps = whole_steps(begun.checkpoints)
    position = read_facts(begun.checkpoints, steps[-1])["stream"]["position"] if steps else 0
    now = tombstones_of(resolve(load_mixture(config.mixture)))
    start = -(-position // plan.group) * plan.group
    if now != [stage for stage in begun.plan.stages if stage.position <= start][-1].tombstones:
        LOG.warning("%s: other documents are forgotten from position %d on", begun.path, start)
    return obeying(plan, begun.plan, position, now)


def _same(begun: Run, config: RunConfig, plan: Plan) -> None:
    pairs: dict[str, tuple[Any, Any]] = {
        "seed": (begun.config.seed, config.seed),
        "model.name": (begun.config.model.name, config.model.name),
        "model.size": (begun.config.model.dims, config.model.dims),
        "data.objective": (begun.config.data.objective, config.data.objective),
        "data.settings": (begun.config.data.settings, config.data.settings),
        "data.sequence_length": (begun.plan.sequence_length, plan.sequence_length),
        "mixture": (f"plan {begun.plan.digest[:12]}", f"plan {plan.digest[:12]}"),
    }
    for field, (old, new) in pairs.items():
        if old != new:
            raise UsageError(
                f"{begun.path}: {field} was {old} when this run began and is {new} now; "
                "give another output, or what it began with"
            )


def read_metrics(path: str) -> list[dict[str, Any]]:
    """Return the lines of a metrics file; a last line that a kill cut short is left out."""
    if not files.exists(path):
        return []
    lines = files.read_bytes(path).splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    try:
        return [cast(dict[str, Any], json.loads(line)) for line in lines]
    except ValueError:
        raise DataError(f"{path}: holds a line that is no JSON") from None


def keep_metrics(path: str, step: int) -> None:
    """Drop the lines of steps after `step`: they will be made again."""
    kept = [line for line in read_metrics(path) if line["step"] <= step]
    files.write_bytes(path, b"".join(map(_line, kept)))


def append_metrics(path: str, metrics: dict[str, Any]) -> None:
    """Add the line of an update."""
    with open(path, "ab") as output:
        output.write(_line(metrics))


def _line(metrics: dict[str, Any]) -> bytes:
    return json.dumps(metrics).encode() + b"\n"
