"""A run's directory: run.toml, plan.json, tokenizer.json, metrics.jsonl, checkpoints/STEP/."""

import logging
import os
from dataclasses import dataclass
from typing import Any

import tomli_w
import torch

from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.io import files
from manifests.mixture.config import load_mixture
from manifests.mixture.resolve import resolve
from objectives.stream.plan import Plan, load_plan, make_plan, save_plan, tombstones_of
from objectives.stream.plan_stages import with_recorded_tombstones
from trainer.checkpoints.checkpoint import complete_steps, load_model, read_run_state
from trainer.config import RunConfig, load_run_config
from trainer.metrics import Metrics, read_metrics
from trainer.models import MODELS, Decoder
from trainer.parallel import DistributedContext

LOG = logging.getLogger(__name__)

CONFIG, PLAN, TOKENIZER = "run.toml", "plan.json", "tokenizer.json"


@dataclass(frozen=True)
class Run:
    """A run that has a directory.

    Attributes:
        path: of the directory.
        config: run.toml.
        plan: plan.json.
    """

    path: str
    config: RunConfig
    plan: Plan

    @classmethod
    def open(cls, path: str) -> "Run":
        """Open the directory of a run.

        Raises:
            UsageError: the directory does not exist or has no plan.json.
        """
        if not files.exists(files.join(path, PLAN)):
            raise UsageError(f"{path}: is not a run: it has no {PLAN}")
        config = load_run_config(files.join(path, CONFIG))
        return cls(path, config, load_plan(files.join(path, PLAN)))

    @property
    def checkpoints(self) -> str:
        """The directory of the checkpoints."""
        return files.join(self.path, "checkpoints")

    @property
    def tokenizer(self) -> str:
        """The path of the run's copy of tokenizer.json."""
        return files.join(self.path, TOKENIZER)

    @property
    def metrics(self) -> str:
        """The path of metrics.jsonl."""
        return files.join(self.path, "metrics.jsonl")

    def checkpoint_step(self, step: int | None = None) -> int:
        """Return `step`, or the step of the last checkpoint.

        Raises:
            UsageError: the run has no such checkpoint.
        """
        steps = complete_steps(self.checkpoints)
        if not steps:
            raise UsageError(f"{self.path}: has no checkpoint yet")
        if step is not None and step not in steps:
            raise UsageError(f"{self.path}: has no checkpoint of step {step}, only of {steps}")
        return steps[-1] if step is None else step

    def model(self, step: int | None = None) -> Decoder:
        """Return the float32 model of a checkpoint (default: the last one), on the CPU."""
        with torch.device("meta"):
            model = self.empty_model()
        model.to_empty(device="cpu")
        load_model(self.checkpoints, self.checkpoint_step(step), model)
        return model.eval()

    def empty_model(self) -> Decoder:
        """Return a model of the run's dimensions with arbitrary weights."""
        config = self.config.model
        return MODELS[config.name](config.dims, self.plan.control.vocabulary)

    def metrics_of(self, step: int) -> Metrics:
        """Return the metrics of update `step`; UsageError where the run has not made it."""
        for metrics in read_metrics(self.metrics):
            if metrics["step"] == step:
                return metrics
        raise UsageError(f"{self.path}: has not made step {step}")


def open_or_create_run(config: RunConfig, context: DistributedContext) -> Run:
    """Create the run of a config, or open it where it exists and write the config again.

    Raises:
        UsageError: the directory has a run of other data, another model or another seed.
    """
    path = config.output
    existing = Run.open(path) if files.exists(files.join(path, PLAN)) else None
    plan = _plan(config, existing)
    if existing is not None:
        _check_same(existing, config, plan)
        plan = _with_new_tombstones(config, existing, plan)
    context.barrier()
    if context.rank == 0:
        dataset = Dataset.open(plan.components[0].dataset)
        relative = {"output": ".", "mixture": os.path.relpath(config.mixture, path)}
        text = tomli_w.dumps(config.model_dump(exclude_none=True) | relative)
        files.write_bytes(files.join(path, CONFIG), text.encode())
        files.write_bytes(files.join(path, TOKENIZER), files.read_bytes(dataset.tokenizer_path))
        # plan.json is written last, because it marks the directory as a run.
        save_plan(plan, files.join(path, PLAN))
    context.barrier()
    # All processes use the plan of rank 0: tombstones may have been added between their reads.
    return Run(path, config, load_plan(files.join(path, PLAN)))


def _plan(config: RunConfig, existing: Run | None) -> Plan:
    """Return the plan of a config, with the tombstones that the existing run began with."""
    mixture, data = load_mixture(config.mixture), config.data
    # The batch size of a run may change; the number of interleaved units may not.
    batch = config.batch.sequences if existing is None else existing.plan.interleave
    return make_plan(
        mixture,
        data.objective,
        batch=batch,
        sequence_length=data.sequence_length,
        settings=data.settings,
        tombstones=None if existing is None else existing.plan.stages[0].tombstones,
    )


def _with_new_tombstones(config: RunConfig, existing: Run, plan: Plan) -> Plan:
    """Return the plan that excludes newly forgotten documents from the next stage on."""
    steps = complete_steps(existing.checkpoints)
    state = read_run_state(existing.checkpoints, steps[-1]) if steps else None
    position = state["stream"]["position"] if state else 0
    tombstones = tombstones_of(resolve(load_mixture(config.mixture)))
    start = -(-position // plan.group) * plan.group
    current = [stage for stage in existing.plan.stages if stage.position <= start][-1]
    if tombstones != current.tombstones:
        LOG.warning("%s: the forgotten documents change at position %d", existing.path, start)
    return with_recorded_tombstones(plan, existing.plan, position, tombstones)


def _check_same(existing: Run, config: RunConfig, plan: Plan) -> None:
    """Raise UsageError if a config changes what must stay the same during a run."""
    old, new = existing.config, config
    pairs: dict[str, tuple[Any, Any]] = {
        "seed": (old.seed, new.seed),
        "model.name": (old.model.name, new.model.name),
        "model.size": (old.model.dims, new.model.dims),
        "model.initialization": (old.model.initialization, new.model.initialization),
        "data.objective": (old.data.objective, new.data.objective),
        "data.settings": (old.data.settings, new.data.settings),
        "data.sequence_length": (existing.plan.sequence_length, plan.sequence_length),
        "mixture": (f"plan {existing.plan.digest[:12]}", f"plan {plan.digest[:12]}"),
    }
    for field, (before, after) in pairs.items():
        if before != after:
            raise UsageError(
                f"{existing.path}: {field} was {before} when this run began and is {after} now; "
                "use another output, or the first value"
            )
