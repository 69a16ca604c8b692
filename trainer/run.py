"""A run's directory: run.toml, plan.json, tokenizer.json, metrics.jsonl, checkpoints/STEP/."""

import logging
import tomllib
from collections.abc import Iterator, Mapping
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
from objectives.stream.positions import step_position
from trainer.checkpoints.checkpoint import load_model
from trainer.checkpoints.state import RunState, chosen_step
from trainer.config import PATHS, RunConfig, load_run_config, relative
from trainer.layout import CHECKPOINTS, CONFIG, METRICS, PLAN, TOKENIZER
from trainer.metrics import Metrics, Progress, find_metrics, last_metrics
from trainer.models import MODELS, Decoder
from trainer.optimization.schedule import Schedule, make_schedule
from trainer.parallel import DistributedContext

LOG = logging.getLogger(__name__)


def checkpoints_path(run: str) -> str:
    """Return the directory of the checkpoints of the run in a directory."""
    return files.join(run, CHECKPOINTS)


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
        return checkpoints_path(self.path)

    @property
    def tokenizer(self) -> str:
        """The path of the run's copy of tokenizer.json."""
        return files.join(self.path, TOKENIZER)

    @property
    def metrics(self) -> str:
        """The path of metrics.jsonl."""
        return files.join(self.path, METRICS)

    def checkpoint_step(self, step: int | None = None) -> int:
        """Return `step`, or the step of the last checkpoint.

        Raises:
            UsageError: the run has no such checkpoint.
        """
        return chosen_step(self.checkpoints, step)

    def model(self, step: int | None = None) -> Decoder:
        """Return the float32 model of a checkpoint (default: the last one), on the CPU."""
        model = self.empty_model()
        model.to_empty(device="cpu")
        load_model(self.checkpoints, self.checkpoint_step(step), model)
        return model.eval()

    def empty_model(self) -> Decoder:
        """Return a model of the run's dimensions on the meta device, without weights."""
        config = self.config.model
        with torch.device("meta"):
            return MODELS[config.name](config.dims, self.plan.control.vocabulary)

    def metrics_of(self, step: int) -> Metrics:
        """Return the metrics of update `step`; UsageError where the run has not made it."""
        metrics = find_metrics(self.metrics, step)
        if metrics is None:
            raise UsageError(f"{self.path}: has not made step {step}")
        return metrics

    def rows_of(self, step: int) -> tuple[int, int]:
        """Return the position of the first sequence of update `step`, and how many it has.

        The update after the last one, which may have ended the run, is known too.

        Raises:
            UsageError: the run has not begun the update.
        """
        last = last_metrics(self.metrics)
        if step != (last["step"] if last else 0) + 1:
            metrics = self.metrics_of(step)
            return metrics["position"], metrics["sequences"]
        done, rows = (
            last["position"] + last["sequences"] if last else 0,
            self.config.batch.sequences,
        )
        return step_position(done, 0, rows, self.config.data.skip), rows


def open_or_create_run(
    config: RunConfig, context: DistributedContext, state: RunState | None = None
) -> Run:
    """Create the run of a config, or open it where it exists and write the config again.

    Args:
        config: of the run.
        context: the processes, all of which call this function.
        state: of the checkpoint that the run continues from.

    Raises:
        UsageError: the directory has a run of other data, another model or another seed.
    """
    path = config.output
    existing = Run.open(path) if files.exists(files.join(path, PLAN)) else None
    plan = plan_of(config, existing)
    if existing is not None:
        _check_same(existing, config, plan, has_checkpoint=state is not None)
        plan = _with_new_tombstones(config, existing, plan, state)
    context.barrier()
    if context.rank == 0:
        dataset = Dataset.open(plan.components[0].dataset)
        files.write_bytes(files.join(path, CONFIG), config_text(config).encode())
        files.write_bytes(files.join(path, TOKENIZER), files.read_bytes(dataset.tokenizer_path))
        # plan.json is written last, because it marks the directory as a run.
        save_plan(plan, files.join(path, PLAN))
    # All processes use the plan of rank 0: tombstones may have been added between their reads. A
    # shared file system may still tell another machine that plan.json does not exist.
    return Run(path, config, Plan.model_validate_json(context.broadcast(plan.model_dump_json())))


def config_text(config: RunConfig) -> str:
    """Return the run.toml of a config: its paths are relative to the directory of the run."""
    values = config.model_dump(exclude_none=True)
    paths = {name: relative(values[name], config.output) for name in PATHS if name in values}
    return tomli_w.dumps(values | paths)


def resume_changes(
    state: RunState, run: Run, progress: Progress, schedule: Schedule
) -> Iterator[str]:
    """Yield what differs from the config of a checkpoint, and what it does to the learning rate.

    Args:
        state: of the checkpoint.
        run: the run that continues.
        progress: of the checkpoint.
        schedule: of the run that continues.
    """
    tables = tomllib.loads(state["config"]), tomllib.loads(config_text(run.config))
    before, after = (dict(_flat(table)) for table in tables)
    changed = [
        f"{name} was {before.get(name, 'not set')} and is {after.get(name, 'not set')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and name not in PATHS
    ]
    yield from changed
    if not changed:
        return
    old = RunConfig.model_validate(tables[0])
    steps = old.steps(run.plan.positions, progress.step, progress.position)
    rate = make_schedule(old, steps).rate(progress.step - 1)
    yield (
        f"the learning rate was {rate:.3g} at step {progress.step} and is "
        f"{schedule.rate(progress.step):.3g} at step {progress.step + 1}"
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and the value of each key of nested tables."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def plan_of(config: RunConfig, existing: Run | None = None) -> Plan:
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
        attention=data.attention,
        task_tokens=data.task_tokens,
        tombstones=None if existing is None else existing.plan.stages[0].tombstones,
    )


def _with_new_tombstones(
    config: RunConfig, existing: Run, plan: Plan, state: RunState | None
) -> Plan:
    """Return the plan that excludes newly forgotten documents from the next stage on."""
    position = state["stream"]["position"] if state else 0
    tombstones = tombstones_of(resolve(load_mixture(config.mixture)))
    start = -(-position // plan.group) * plan.group
    current = [stage for stage in existing.plan.stages if stage.position <= start][-1]
    if tombstones != current.tombstones:
        LOG.warning("%s: the forgotten documents change at position %d", existing.path, start)
    return with_recorded_tombstones(plan, existing.plan, position, tombstones)


def _check_same(existing: Run, config: RunConfig, plan: Plan, has_checkpoint: bool) -> None:
    """Raise UsageError if a config changes what must stay the same during a run."""
    old, new = existing.config, config
    pairs: dict[str, tuple[Any, Any]] = {
        "seed": (old.seed, new.seed),
        "model.name": (old.model.name, new.model.name),
        "model.size": (old.model.dims, new.model.dims),
        "model.initialization": (old.model.initialization, new.model.initialization),
        "data.objective": (old.data.objective, new.data.objective),
        "data.settings": (old.data.settings, new.data.settings),
        "data.attention": (old.data.attention, new.data.attention),
        "data.task_tokens": (old.data.task_tokens, new.data.task_tokens),
        "data.sequence_length": (existing.plan.sequence_length, plan.sequence_length),
        "mixture": (f"plan {existing.plan.digest[:12]}", f"plan {plan.digest[:12]}"),
    }
    if has_checkpoint:
        pairs["init"] = (old.init, new.init)
    for field, (before, after) in pairs.items():
        if before != after:
            raise UsageError(
                f"{existing.path}: {field} was {before} when this run began and is {after} now; "
                "use another output, or the first value"
            )
