"""A step of a job: the work on one row of a table of parts, its receipts and its dead letter.

Worker processes import this module, so it does not import Beam.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

from manifests.errors import DataError, InputError
from manifests.io import files
from manifests.lineage.manifest import FailedInput
from manifests.lineage.receipts import Receipt, whole_receipt

FAILED = "failed"
"""Directory of the dead letters, below the step's directory."""

Row = Mapping[str, Any]
"""A row of a table of parts, as Arrow returns it."""

RowT = TypeVar("RowT", bound=Row)


class Step(ABC, Generic[RowT]):
    """Work on one row of a table of parts. Instances are pickled: keep them small."""

    directory: str
    """Directory or URL below which the step writes."""

    def setup(self) -> None:
        """Load models and tables, once for each worker."""

    @abstractmethod
    def receipts(self, row: RowT) -> Iterator[str]:
        """Yield the names of the row's receipts in order; the iterator may be infinite."""

    @abstractmethod
    def work(self, row: RowT) -> None:
        """Write the row's files, then its receipts; the last ones may wait for `finish`.

        Raises:
            InputError: the row's input cannot be read.
        """

    def finish(self) -> None:
        """Wait until all files and receipts of the previous rows are written."""


def do_row(step: Step[Any], row: Row) -> float:
    """Do a row, and return the seconds it took; a row with an error or that is done takes none.

    An input that cannot be read becomes a dead letter.
    """
    start = time.monotonic()
    if row.get("error") is None and not is_done(step, row):
        try:
            step.work(row)
        except InputError as error:
            letter = FailedInput(source=row["source"], input=row["input"], error=str(error))
            url = failed_url(step.directory, letter_name(step, row))
            files.write_json(url, letter.model_dump(mode="json"))
    return time.monotonic() - start


def letter_name(step: Step[Any], row: Row) -> str:
    """Return the name of a row's dead letter: the name of its first receipt."""
    return next(step.receipts(row))


def failed_url(directory: str, part: str) -> str:
    """Return the URL of the dead letter of a part."""
    return files.join(directory, FAILED, f"{part}.json")


def dead_letters(directory: str) -> dict[str, FailedInput]:
    """Return part -> dead letter of all parts of a step that have one."""
    names = files.list_names(files.join(directory, FAILED))
    urls = [files.join(directory, FAILED, name) for name in names]
    with ThreadPoolExecutor(files.REQUESTS) as pool:
        letters = pool.map(FailedInput.model_validate_json, pool.map(files.read_bytes, urls))
        return dict(zip((name.removesuffix(".json") for name in names), letters, strict=True))


def done_receipts(step: Step[Any], row: Row) -> list[Receipt]:
    """Return the receipts of a row; an empty list unless the row and all its files are whole."""
    return row_receipts(step, row, partial(whole_receipt, step.directory))


def row_receipts(step: Step[Any], row: Row, load: Callable[[str], Receipt | None]) -> list[Receipt]:
    """Return the receipts of a row; an empty list unless all are there.

    Args:
        step: the step.
        row: the row.
        load: returns the receipt of a name; None if it or one of its files is not whole.
    """
    receipts: list[Receipt] = []
    for name in step.receipts(row):
        receipt = load(name)
        if receipt is None:
            return []
        receipts.append(receipt)
        if receipt.last:
            return receipts
    return []


def is_done(step: Step[Any], row: Row) -> bool:
    """Tell whether a row has a dead letter or all its receipts and files."""
    failed = files.exists(failed_url(step.directory, letter_name(step, row)))
    return failed or bool(done_receipts(step, row))


def check_failures(failed: list[FailedInput], inputs: int, limit: float, directory: str) -> None:
    """Check that at most the share `limit` of the inputs failed.

    Raises:
        DataError: more inputs failed; the message quotes the first one.
    """
    if len(failed) > limit * inputs:
        raise DataError(
            f"{len(failed)} of {inputs} inputs cannot be read, more than max_failed = {limit:g} "
            f"allows; the first: {failed[0].error}. Repair the inputs and run again with "
            f"--retry-failed (all are listed in {files.join(directory, FAILED)})"
        )
