"""Progress of a training run on stderr: a bar on a terminal, otherwise a line every 10 seconds."""

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer.metrics import Metrics

INTERVAL = 10.0
"""Seconds between two lines."""


class Display(Progress):
    """Progress of a run, shown by the process of rank 0 within a `with` block."""

    def __init__(self, shown: bool, step: int, steps: int) -> None:
        """Make a bar at `step` of `steps`."""
        console = Console(stderr=True, quiet=not shown)
        super().__init__(
            TextColumn("train"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self.steps, self.last_line = steps, time.monotonic()
        self.bar = self.add_task("train", total=steps, completed=step, figures="")

    def show(self, metrics: Metrics) -> None:
        """Show the metrics of an update."""
        figures = (
            f"loss {loss_text(metrics)}  lr {metrics['learning_rate']:.1e}  "
            f"{metrics['tokens_per_second']:,.0f} tokens/s"
        )
        if metrics["mfu"] is not None:
            figures += f"  {100 * metrics['mfu']:.1f} % MFU"
        self.update(self.bar, completed=metrics["step"], figures=figures)
        now = time.monotonic()
        if self.disable and now - self.last_line >= INTERVAL:
            self.last_line = now
            line = f"train: step {metrics['step']} of {self.steps}  {figures}"
            if metrics["remaining_seconds"] is not None:
                line += f"  {timedelta(seconds=round(metrics['remaining_seconds']))} left"
            self.console.print(line, highlight=False, soft_wrap=True)


def loss_text(metrics: Metrics) -> str:
    """Return the loss of an update as text."""
    loss = metrics["loss"]
    return "not finite" if loss is None else f"{loss:.3f}"
