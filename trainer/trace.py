"""Which documents lie behind a sequence that a run has trained on."""

from typing import Any

from manifests.errors import BadCall
from objectives.stream import Stream
from trainer.run import Run


def trace(run: Run, step: int, row: int) -> dict[str, Any]:
    """Return the position of row `row` (from 0) of update `step` (from 1), and its documents.

    Raises:
        BadCall: the run has not made the update, or the update has no such row.
    """
    metrics = run.metric(step)
    if not 0 <= row < metrics["sequences"]:
        raise BadCall(f"--row {row}: step {step} has rows 0 to {metrics['sequences'] - 1}")
    position = metrics["position"] + row
    return {
        "step": step,
        "row": row,
        "position": position,
        **Stream.open(run.plan).origin(position),
    }
