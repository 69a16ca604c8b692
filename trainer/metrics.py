"""metrics.jsonl: one JSON object a line, one line an update."""

import json
from typing import TypedDict, cast

from manifests.errors import DataError
from manifests.io import files


class Metrics(TypedDict):
    """The metrics of an update. Counts include all processes and padding."""

    step: int
    """Number of the update, from 1."""
    position: int
    """Stream position of its first sequence."""
    sequences: int
    """Sequences of the update."""
    loss: float
    """Mean cross-entropy in nats, weighted by the loss weights."""
    learning_rate: float
    """Learning rate of the update."""
    gradient_norm: float
    """Norm of the gradient before clipping."""
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
    seconds: float
    """Duration of the update."""
    tokens_per_second: float
    """Tokens of the update divided by its duration."""
    components: dict[str, dict[str, float]]
    """Component -> the counts of `Stream.counts` at the end of the update."""


def read_metrics(path: str) -> list[Metrics]:
    """Return the lines of a metrics file, without an incomplete last line (a killed process)."""
    if not files.exists(path):
        return []
    lines = files.read_bytes(path).splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    try:
        return [cast(Metrics, json.loads(line)) for line in lines]
    except ValueError:
        raise DataError(f"{path}: has a line that is not JSON") from None


def truncate_metrics(path: str, step: int) -> None:
    """Remove the lines of updates after `step`, which the run will repeat."""
    kept = [line for line in read_metrics(path) if line["step"] <= step]
    files.write_bytes(path, b"".join(map(_line, kept)))


def append_metrics(path: str, metrics: Metrics) -> None:
    """Append the line of an update."""
    with open(path, "ab") as output:
        output.write(_line(metrics))


def _line(metrics: Metrics) -> bytes:
    return json.dumps(metrics).encode() + b"\n"
