"""Progress bars. Those of parts count receipts: they are right on any engine, after a restart."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from manifests.lineage.receipts import receipt_names

T = TypeVar("T")

SECONDS = 0.5
"""Least interval between two counts of the receipts."""

SHARE = 0.05
"""Largest share of the time that is spent on counting: a store lists 1,000 names in a request."""


def bar(unit: str) -> Progress:
    """Return a progress display on standard error, of a number of units."""
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def inputs(results: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the results of inputs, one each, and show their number on a terminal.

    Args:
        results: the results.
        label: the text beside the bar.
        total: number of inputs.
    """
    if not sys.stderr.isatty():
        yield from results
        return
    with bar("inputs") as progress:
        yield from progress.track(results, total=total, description=label)


@contextmanager
def parts(directory: str, label: str, total: int, done: int) -> Iterator[None]:
    """Show the number of parts that have receipts while the block runs.

    Nothing is counted or shown if standard error is not a terminal.

    Args:
        directory: the step's directory.
        label: the text beside the bar.
        total: number of parts.
        done: number of parts that are done at the start.
    """
    if not sys.stderr.isatty():
        yield
        return
    with bar("parts") as progress:
        task = progress.add_task(label, total=total, completed=done)
        before = len(receipt_names(directory))
        ended = threading.Event()

        def count_receipts() -> None:
            wait = SECONDS
            while not ended.wait(wait):
                start = time.monotonic()
                new = len(receipt_names(directory)) - before
                wait = max(SECONDS, (time.monotonic() - start) / SHARE)
                progress.update(task, completed=min(total, done + new))

        watcher = threading.Thread(target=count_receipts, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        progress.update(task, completed=total)
