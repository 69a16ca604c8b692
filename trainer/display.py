"""What people see of a running training: a progress bar on a terminal, else a line now and then."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS = 10.0
"""Between two lines where there is no terminal."""


class Display:
    """Writes to stderr, in the process of rank 0 only."""

    def __init__(self, shown: bool, step: int, steps: int) -> None:
        """Start a bar at `step` of `steps`."""
        self._console = Console(stderr=True, quiet=not shown)
        self._steps, self._spoken = steps, time.monotonic()
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
        """Leave the bar as it is."""
        self._bar.stop()

    def update(self, metrics: dict[str, Any]) -> None:
        """Show the metrics of an update."""
        figures = (
            f"loss {metrics['loss']:.3f}  lr {metrics['learning_rate']:.1e}  "
            f"{metrics['tokens_per_second']:,.0f} tokens/s"
        )
        self._bar.update(self._task, completed=metrics["step"], figures=figures)
        now = time.monotonic()
        if self._bar.disable and now - self._spoken >= SECONDS:
            self._spoken = now
            self.say(f"train: step {metrics['step']} of {self._steps}  {figures}")

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(text, highlight=False, soft_wrap=True)
