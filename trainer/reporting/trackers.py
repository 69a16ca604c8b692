"""Programs that show the metrics of runs: TensorBoard, and Weights & Biases where it is wanted."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import short_digest
from trainer.metrics import Metrics
from trainer.run import Run

UPDATE = ("loss", "learning_rate", "gradient_norm", "tokens_per_second", "mfu", "skipped")
"""Numbers of each update."""


class Tracker(Protocol):
    """A program that shows the metrics of runs."""

    def add(self, metrics: Metrics) -> None:
        """Hand the metrics of an update on."""

    def close(self) -> None:
        """Wait until everything is written."""


class TensorBoard:
    """Event files in RUN/tensorboard: `tensorboard --logdir RUN` shows them."""

    def __init__(self, run: Run, step: int) -> None:
        """Continue after update `step`; later ones, which the run repeats, are not shown."""
        self._writer = SummaryWriter(files.join(run.path, "tensorboard"), purge_step=step + 1)

    def add(self, metrics: Metrics) -> None:
        """Write the numbers of an update."""
        for name, value in numbers(metrics):
            self._writer.add_scalar(name, value, metrics["step"])

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run of the project `metrics.wandb`."""

    def __init__(self, run: Run, project: str) -> None:
        """Begin, or continue, the project's run of this directory.

        Raises:
            UsageError: wandb is not installed.
        """
        try:
            import wandb
        except ModuleNotFoundError:
            raise UsageError(
                "metrics.wandb: wandb is not installed; install it with pip install wandb"
            ) from None
        self._run = wandb.init(
            project=project,
            id=short_digest([run.path, run.plan.digest]),
            name=run.path.rstrip("/").rsplit("/", 1)[-1],
            dir=run.path,
            config=run.config.model_dump(),
            resume="allow",
        )
        # A run that continues repeats updates, and steps of W&B cannot go back.
        self._run.define_metric("*", step_metric="step")

    def add(self, metrics: Metrics) -> None:
        """Send the numbers of an update."""
        self._run.log({"step": metrics["step"], **dict(numbers(metrics))})

    def close(self) -> None:
        """Wait until everything is sent."""
        self._run.finish()


def make_trackers(run: Run, step: int) -> list[Tracker]:
    """Return the trackers of a run that continues after update `step`."""
    trackers: list[Tracker] = []
    if run.config.metrics.wandb is not None:
        trackers.append(WeightsAndBiases(run, run.config.metrics.wandb))
    return [TensorBoard(run, step), *trackers]


def numbers(metrics: Metrics) -> Iterator[tuple[str, float]]:
    """Yield the name and the value of each number of an update; `/` separates groups."""
    values: Mapping[str, Any] = metrics
    for name in UPDATE:
        if values[name] is not None:
            yield f"train/{name}", values[name]
    for kind, rows in values.get("losses", {}).items():
        for name, row in rows.items():
            yield f"loss by {kind.removesuffix('s')}/{name}", row["loss"]
    for name, row in values.get("components", {}).items():
        yield f"epochs/{name}", row["epochs"]
    validation = values.get("validation", {"languages": {}, "components": {}})
    for name, score in {**validation["components"], **validation["languages"]}.items():
        for measure in ("loss", "bits_per_byte", "infill_loss"):
            if score[measure] is not None:
                yield f"validation {measure.replace('_', ' ')}/{name}", score[measure]
