"""Which documents lie behind a sequence that a run has trained on."""

from typing import Any

from rich.text import Text

from manifests.console.output import unwrapped
from manifests.errors import UsageError
from objectives.stream.stream import Stream
from trainer.run import Run


def trace(run: Run, step: int, row: int) -> dict[str, Any]:
    """Return the position of row `row` (from 0) of update `step` (from 1), and its documents.

    Raises:
        UsageError: the run has not made the update, or the update has no such row.
    """
    metrics = run.metric(step)
    if not 0 <= row < metrics["sequences"]:
        raise UsageError(f"--row {row}: step {step} has rows 0 to {metrics['sequences'] - 1}")
    position = metrics["position"] + row
    return {
        "step": step,
        "row": row,
        "position": position,
        **Stream.open(run.plan).origin(position),
    }


def render(found: dict[str, Any]) -> Text:
    """Return what `trace` found for a person: a line a document, each whole."""
    about = "{component}, epoch {epoch}, {objective}, position {position}".format(**found)
    lines = [f"step {found['step']}, row {found['row']}: {about}"]
    for document in found["documents"]:
        row, start = document["row"], document["start"]
        tokens = f"tokens {start:,} to {start + document['tokens']:,} of {row['tokens']:,}"
        where = " ".join([*row["repositories"], row["path"]]).strip()
        lines.append(f"  {row['id']}  {where}  {row['license'] or 'no license'}  {tokens}")
    return unwrapped("\n".join(lines))
