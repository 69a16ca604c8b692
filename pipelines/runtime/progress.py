"""Progress bars that count receipts, so they are right on any engine and after a restart."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from manifests.lineage.receipts import receipt_names

SECONDS = 0.5
"""Interval between two counts of the receipts."""


def bar(console: Console | None = None) -> Progress:
    """Return a progress display on standard error; it is disabled if that is not a terminal."""
    console = console or Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("parts"),
        TimeElapsedColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    )


@contextmanager
def parts(directory: str, label: str, total: int, done: int) -> Iterator[None]:
    """Show the number of parts that have receipts while the block runs.

    Args:
        directory: the step's directory.
        label: the text beside the bar.
        total: number of parts.
        done: number of parts that are done at the start.
    """
    with bar() as progress:
        task = progress.add_task(label, total=total, completed=done)
        before = len(receipt_names(directory))
        ended = threading.Event()

        def count_receipts() -> None:
            while not ended.wait(SECONDS):
                new = len(receipt_names(directory)) - before
                progress.update(task, completed=min(total, done + new))

        watcher = threading.Thread(target=count_receipts, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        progress.update(task, completed=total)
