"""The documents of a sequence that a run has trained on."""

from typing import Any

from rich.text import Text

from manifests.console.output import unwrapped
from manifests.errors import UsageError
from objectives.stream.stream import Stream
from trainer.run import Run


def trace(run: Run, step: int, row: int) -> dict[str, Any]:
    """Return the position of row `row` (from 0) of update `step` (from 1), and its documents.

    Returns:
        `step`, `row`, `position`, and the values of `Stream.origin`.

    Raises:
        UsageError: the run has not begun the update, or the update has no such row.
    """
    first, rows = run.rows_of(step)
    if not 0 <= row < rows:
        raise UsageError(f"--row {row}: step {step} has rows 0 to {rows - 1}")
    position = first + row
    origin = Stream.open(run.plan).origin(position)
    return {"step": step, "row": row, "position": position, **origin}


def trace_text(origin: dict[str, Any]) -> Text:
    """Return the result of `trace` as text: one line a document."""
    about = "{component}, epoch {epoch}, {objective}, position {position}".format(**origin)
    lines = [f"step {origin['step']}, row {origin['row']}: {about}"]
    for document in origin["documents"]:
        row, start = document["row"], document["start"]
        tokens = f"tokens {start:,} to {start + document['tokens']:,} of {row['tokens']:,}"
        path = " ".join([*row["repositories"], row["path"]]).strip()
        lines.append(f"  {row['id']}  {path}  {row['license'] or 'no license'}  {tokens}")
    return unwrapped("\n".join(lines))
