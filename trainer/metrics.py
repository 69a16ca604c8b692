"""The counters of a run, and metrics.jsonl: one JSON object a line, one line an update.

The file is read by binary search over its lines, because their steps ascend.
"""

import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, NotRequired, TypedDict, cast

from manifests.errors import DataError


class BatchStats(NamedTuple):
    """Counts of a global batch."""

    loss_tokens: float
    """Sum of the loss weights."""
    padding: int
    """Padding tokens, those in place of forgotten documents excluded."""
    forgotten: int
    """Padding tokens in place of forgotten documents."""
    documents: int
    """Documents, and parts of documents that sequences cut."""
    eligible: int
    """Segments that the law of their objective changes."""
    thinned: int
    """Eligible segments that are plain, or have fewer spans, for lack of positions."""
    stop_requests: int
    """Processes that received a stop signal."""


@dataclass
class Progress:
    """Counters of a run since its start, as checkpoints hold them."""

    step: int = 0
    """Updates, skipped ones included."""
    position: int = 0
    """Stream position after the last update."""
    tokens: int = 0
    """Tokens, padding included."""
    loss_tokens: float = 0.0
    """Sum of the loss weights."""
    padding: int = 0
    """As in `BatchStats`."""
    forgotten: int = 0
    """As in `BatchStats`."""
    documents: int = 0
    """As in `BatchStats`."""
    eligible: int = 0
    """As in `BatchStats`."""
    thinned: int = 0
    """As in `BatchStats`."""
    skipped: int = 0
    """Updates that left the weights as they were."""

    def advanced(
        self, position: int, rows: int, length: int, stats: BatchStats, skipped: bool
    ) -> "Progress":
        """Return the progress after an update of `rows` sequences that starts at `position`."""
        return Progress(
            step=self.step + 1,
            position=position + rows,
            tokens=self.tokens + rows * length,
            loss_tokens=self.loss_tokens + stats.loss_tokens,
            padding=self.padding + stats.padding,
            forgotten=self.forgotten + stats.forgotten,
            documents=self.documents + stats.documents,
            eligible=self.eligible + stats.eligible,
            thinned=self.thinned + stats.thinned,
            skipped=self.skipped + skipped,
        )


class Metrics(TypedDict):
    """The metrics of an update. Counts include all processes and padding."""

    step: int
    """Number of the update, from 1."""
    position: int
    """Stream position of its first sequence."""
    sequences: int
    """Sequences of the update."""
    loss: float | None
    """Mean cross-entropy in nats, weighted by the loss weights; null if it is not finite."""
    learning_rate: float
    """Learning rate of the update."""
    gradient_norm: float | None
    """Norm of the gradient before clipping; null if it is not finite."""
    tokens: int
    """Tokens since the start of the run."""
    loss_tokens: float
    """Sum of the loss weights since the start of the run."""
    padding: int
    """Padding since the start of the run."""
    forgotten: int
    """Padding in place of forgotten documents since the start of the run."""
    documents: int
    """Documents, and parts of documents, since the start of the run."""
    eligible: int
    """Segments that the law of their objective changes, since the start of the run."""
    thinned: int
    """Eligible segments without their full law since the start of the run."""
    skipped: int
    """Skipped updates since the start of the run."""
    seconds: float
    """Duration of the update, without validation."""
    tokens_per_second: float
    """Tokens of the update divided by its duration."""
    mfu: float | None
    """Model FLOPs utilization of the update; null if the peak of the device is not known."""
    remaining_seconds: float | None
    """Time until the end of the run, by the mean of the updates of this process; null after the
    first of them."""
    components: NotRequired[dict[str, dict[str, float]]]
    """Component -> the counts of `Stream.counts` at the end of the update. Every
    `metrics.components_every` updates, and at the last one, as `losses`."""
    losses: NotRequired[dict[str, dict[str, dict[str, float]]]]
    """`LossTable.report` of the updates since the last such line."""
    validation: NotRequired[Mapping[str, object]]
    """`evaluate.Scores` of the weights after the update. Every `validation.every` updates, and at
    the last one."""


def update_metrics(
    progress: Progress,
    position: int,
    rows: int,
    length: int,
    *,
    loss: float,
    rate: float,
    norm: float,
    seconds: float,
    mfu: float | None,
    remaining_seconds: float | None,
) -> Metrics:
    """Return the metrics of an update, without those that only some updates have.

    Args:
        progress: after the update.
        position: stream position of its first sequence.
        rows: its sequences.
        length: tokens of a sequence.
        loss: of the global batch.
        rate: learning rate.
        norm: of the gradient.
        seconds: duration of the update.
        mfu: of the update.
        remaining_seconds: time until the end of the run.
    """
    return {
        "step": progress.step,
        "position": position,
        "sequences": rows,
        "loss": loss if math.isfinite(loss) else None,
        "learning_rate": rate,
        "gradient_norm": norm if math.isfinite(norm) else None,
        "tokens": progress.tokens,
        "loss_tokens": progress.loss_tokens,
        "padding": progress.padding,
        "forgotten": progress.forgotten,
        "documents": progress.documents,
        "eligible": progress.eligible,
        "thinned": progress.thinned,
        "skipped": progress.skipped,
        "seconds": round(seconds, 4),
        "tokens_per_second": round(rows * length / seconds, 1),
        "mfu": mfu,
        "remaining_seconds": remaining_seconds,
    }


def read_metrics(path: str) -> list[Metrics]:
    """Return the lines of a metrics file, without an incomplete last line (a killed process)."""
    return list(iterate_metrics(path))


def iterate_metrics(path: str) -> Iterator[Metrics]:
    """Yield the lines of a metrics file as `read_metrics` returns them, one at a time."""
    with _lines(path) as lines:
        for start in lines.starts():
            yield lines.at(start)


def find_metrics(path: str, step: int) -> Metrics | None:
    """Return the metrics of update `step`, or None."""
    with _lines(path) as lines:
        start = lines.first_after(step - 1)
        metrics = lines.at(start) if start < lines.end else None
    return metrics if metrics and metrics["step"] == step else None


def last_metrics(path: str) -> Metrics | None:
    """Return the last complete line, or None."""
    with _lines(path) as lines:
        return lines.at(lines.start_of(lines.end - 1)) if lines.end else None


def truncate_metrics(path: str, step: int) -> None:
    """Remove the lines of updates after `step`, which the run will repeat."""
    if os.path.exists(path):
        with _lines(path) as lines:
            end = lines.first_after(step)
        os.truncate(path, end)


def append_metrics(path: str, metrics: Metrics) -> None:
    """Append the line of an update."""
    with open(path, "ab") as output:
        output.write(json.dumps(metrics, allow_nan=False).encode() + b"\n")


class _Lines:
    """The complete lines of a metrics file."""

    def __init__(self, path: str, data: bytes | mmap.mmap) -> None:
        self._path, self._data = path, data
        self.end = data.rfind(b"\n") + 1
        """Byte after the last complete line."""

    def start_of(self, place: int) -> int:
        """Return the first byte of the line that contains byte `place`."""
        return self._data.rfind(b"\n", 0, place) + 1

    def starts(self) -> Iterator[int]:
        """Yield the first byte of each line."""
        start = 0
        while start < self.end:
            yield start
            start = self._stop(start)

    def at(self, start: int) -> Metrics:
        """Return the line that starts at a byte; DataError if it is not JSON."""
        try:
            return cast(Metrics, json.loads(self._data[start : self._stop(start)]))
        except ValueError:
            raise DataError(f"{self._path}: has a line that is not JSON") from None

    def first_after(self, step: int) -> int:
        """Return the first byte of the first line of an update after `step`."""
        low, high = 0, self.end
        while low < high:
            start = self.start_of((low + high) // 2)
            if self.at(start)["step"] <= step:
                low = self._stop(start)
            else:
                high = start
        return low

    def _stop(self, start: int) -> int:
        return self._data.find(b"\n", start) + 1


@contextmanager
def _lines(path: str) -> Iterator[_Lines]:
    """Yield the lines of a metrics file, which may be missing or empty."""
    if not os.path.exists(path) or not os.path.getsize(path):
        yield _Lines(path, b"")
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield _Lines(path, data)
