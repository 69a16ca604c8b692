"""What became of the rows of a table of parts: their receipts and their dead letters.

An engine may answer that a job is done although rows are not: its workers write to another disk, or
it ran nothing. The driver therefore looks. It lists the directory of a step once, and requests each
receipt once, many at a time.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from manifests.io import files
from manifests.lineage.receipts import DIRECTORY, Receipt, has_files, load_receipt
from pipelines.runtime.step import FAILED, Row, Step, letter_name, row_receipts


class Outcomes:
    """The outcomes of the rows of a step, as far as the driver has looked."""

    def __init__(self, step: Step[Any]) -> None:
        """Start without a look at the directory of `step`."""
        self._step = step
        self._sizes: dict[str, int] = {}
        self._receipts: dict[str, Receipt] = {}

    def undone(self, rows: Sequence[Row]) -> list[Row]:
        """List the directory, read the receipts that are new, and return the rows not yet done.

        A row is done if it has a dead letter, or all its receipts with all their files.

        Raises:
            DataError: a file is not a receipt of this version.
        """
        self._sizes = files.sizes(self._step.directory)
        with ThreadPoolExecutor(files.REQUESTS) as pool:
            done = list(pool.map(self._is_done, rows))
        return [row for row, is_done in zip(rows, done, strict=True) if not is_done]

    def receipts(self, rows: Sequence[Row]) -> list[Receipt]:
        """Return the receipts of done rows in order; a row with a dead letter may have none."""
        return [receipt for row in rows for receipt in self._whole(row)]

    def forget_failures(self, rows: Sequence[Row]) -> None:
        """Remove the dead letters of rows, so that the rows are tried again."""
        names = {f"{letter_name(self._step, row)}.json" for row in rows}
        folder = files.join(self._step.directory, FAILED)
        for name in names.intersection(files.list_names(folder)):
            files.remove(files.join(folder, name))

    def _is_done(self, row: Row) -> bool:
        """Tell whether a row was done at the last look."""
        letter = f"{FAILED}/{letter_name(self._step, row)}.json"
        return letter in self._sizes or bool(self._whole(row))

    def _whole(self, row: Row) -> list[Receipt]:
        """Return the receipts of a row; none unless the row and all its files are whole."""
        return row_receipts(self._step, row, self._receipt)

    def _receipt(self, name: str) -> Receipt | None:
        """Return a receipt whose files are whole; it is read once."""
        if f"{DIRECTORY}/{name}.json" not in self._sizes:
            return None
        receipt = self._receipts.get(name) or load_receipt(self._step.directory, name)
        if receipt is None or not has_files(self._sizes, receipt):
            return None
        self._receipts[name] = receipt
        return receipt
