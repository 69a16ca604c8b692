"""The metrics of each update on their way: to metrics.jsonl, the display and the trackers."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from trainer.checkpoints.lease import Lease
from trainer.metrics import Metrics, append_metrics, truncate_metrics
from trainer.reporting.display import Display
from trainer.reporting.trackers import make_trackers
from trainer.run import Run


class Reporter:
    """Reports the updates of a run in a `with` block; in processes of other ranks, nothing."""

    def __init__(self, run: Run, rank: int, lease: Lease | None, step: int, steps: int) -> None:
        """Continue after update `step` of `steps`.

        Args:
            run: the run.
            rank: of this process.
            lease: of the run's directory, which is checked before each write.
            step: updates made; the lines of later ones are removed from metrics.jsonl.
            steps: updates of the run.

        Raises:
            UsageError: `metrics.wandb` is set, and wandb is not installed.
        """
        self._path, self._lease, self._is_first = run.metrics, lease, rank == 0
        self._display = Display(self._is_first, step, steps)
        self._trackers = make_trackers(run, step) if self._is_first else []
        self._step, self._stack = step, ExitStack()

    def __enter__(self) -> Self:
        """Remove the lines of updates that the run repeats, and show the display."""
        if self._is_first:
            truncate_metrics(self._path, self._step)
        for tracker in self._trackers:
            self._stack.callback(tracker.close)
        self._stack.enter_context(self._display)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the trackers, and remove the display."""
        self._stack.close()

    def write(self, metrics: Metrics) -> None:
        """Report an update.

        Raises:
            LeaseLostError: another trainer has taken over the run.
        """
        if not self._is_first:
            return
        if self._lease is not None:
            self._lease.check()
        append_metrics(self._path, metrics)
        self._display.show(metrics)
        for tracker in self._trackers:
            tracker.add(metrics)
