"""Progress of a training run on stderr: a bar on a terminal, otherwise a line every 10 seconds."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer.metrics import Metrics

INTERVAL = 10.0
"""Seconds between two lines."""


class Display:
    """Progress of a run; shown by the process of rank 0."""

    def __init__(self, shown: bool, step: int, steps: int) -> None:
        """Make a bar at `step` of `steps`."""
        self._console = Console(stderr=True, quiet=not shown)
        self._steps, self._last_line = steps, time.monotonic()
        self._bar = Progress(
            TextColumn("train"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (shown and self._console.is_terminal),
        )
        self._task = self._bar.add_task("train", total=steps, completed=step, figures="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop updating the bar."""
        self._bar.stop()

    def update(self, metrics: Metrics) -> None:
        """Show the metrics of an update."""
        figures = (
            f"loss {metrics['loss']:.3f}  lr {metrics['learning_rate']:.1e}  "
            f"{metrics['tokens_per_second']:,.0f} tokens/s"
        )
        self._bar.update(self._task, completed=metrics["step"], figures=figures)
        now = time.monotonic()
        if self._bar.disable and now - self._last_line >= INTERVAL:
            self._last_line = now
            line = f"train: step {metrics['step']} of {self._steps}  {figures}"
            self._console.print(line, highlight=False, soft_wrap=True)
