"""Progress: bars that count receipts, so they are right on any engine and after any restart."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from manifests.lineage.receipts import receipt_names

SECONDS = 0.5
"""Between two looks at the receipts."""


def bar(console: Console | None = None) -> Progress:
    """Return a progress display on standard error; silent where that is no terminal."""
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
    """Show how many of `total` parts have receipts under `directory` while the block runs."""
    with bar() as progress:
        task = progress.add_task(label, total=total, completed=done)
        before = len(receipt_names(directory))
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(SECONDS):
                made = len(receipt_names(directory)) - before
                progress.update(task, completed=min(total, done + made))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        progress.update(task, completed=total)
