"""A job: one step over the parts of a table, each part done when its receipt is there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from manifests.errors import DataError, InputError
from manifests.io import files
from manifests.lineage.manifest import FailedInput
from manifests.lineage.receipts import Receipt, is_whole, load_receipt
from pipelines.runtime import progress, runners
from pipelines.runtime.quiet_beam import beam
from pipelines.runtime.runners import Runner
from pipelines.runtime.table import read_rows

FAILED = "failed"

Row = dict[str, Any]


class Step(Protocol):
    """What is done to one row of a table of parts. Instances travel to workers: keep them small."""

    directory: str
    """Where the step writes."""

    def setup(self) -> None:
        """Load what is heavy, once for each worker."""
        ...

    def receipts(self, row: Row) -> Iterator[str]:
        """Yield the names of the row's receipts, as many as there may be."""
        ...

    def work(self, row: Row) -> Iterable[Receipt]:
        """Make the row's files and yield their receipts; InputError for an unreadable input."""
        ...


@runtime_checkable
class WritesBehind(Protocol):
    """A step that writes some files while it works on the next row."""

    def finish(self) -> None:
        """Wait until every file and receipt of the rows so far is written."""
        ...


@dataclass(frozen=True)
class Job:
    """A step over a table of parts (a Parquet file that workers can read)."""

    step: Step
    table: str
    label: str
    """What the progress bar says."""

    def run(self, runner: Runner, retry_failed: bool = False) -> list[Receipt]:
        """Do what is not done yet, and return the receipts of all rows, in the table's order."""
        rows = readable_rows(self.table)
        if retry_failed:
            for row in rows:
                files.remove(failed_url(self.step.directory, letter_name(self.step, row)))
        todo = [row for row in rows if not is_done(self.step, row)]
        with progress.parts(self.step.directory, self.label, len(rows), len(rows) - len(todo)):
            if todo:
                runners.run(runner, len(todo), self._build)
        return [receipt for row in rows for receipt in done_receipts(self.step, row)]

    def _build(self, pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Table" >> beam.Create([self.table])
            | "Parts" >> beam.FlatMap(largest_first)
            # Breaks the fusion with the one element above, so that parts go to all workers.
            | "Spread" >> beam.Reshuffle()
            | self.label >> beam.ParDo(DoStep(self.step))
        )


class DoStep(beam.DoFn):
    """Beam's side of a step: a row in, nothing out but files and receipts."""

    def __init__(self, step: Step) -> None:
        """Do `step`."""
        self.step = step

    def setup(self) -> None:
        """Load what is heavy, once for each worker."""
        self.step.setup()

    def process(self, element: Row) -> None:
        """Do a row that is not done; an input that cannot be read becomes a dead letter."""
        if is_done(self.step, element):
            return
        try:
            for _ in self.step.work(element):
                pass
        except InputError as error:
            letter = FailedInput(source=element["source"], input=element["input"], error=str(error))
            url = failed_url(self.step.directory, letter_name(self.step, element))
            files.write_json(url, letter.model_dump(mode="json"))

    def finish_bundle(self) -> None:
        """Let no engine take a row for done that is not written."""
        if isinstance(self.step, WritesBehind):
            self.step.finish()


def readable_rows(table: str) -> list[Row]:
    """Return the rows of a table of parts, without those that the plan found unreadable."""
    return [row for row in read_rows(table) if row.get("error") is None]


def largest_first(table: str) -> list[Row]:
    """Return the readable rows in the order in which the in-process engine deals them to workers.

    It gives them out once, in turn, so that one worker would have all the large ones of a table
    that happens to alternate.
    """
    return sorted(readable_rows(table), key=lambda row: -int(row.get("bytes") or 0))


def letter_name(step: Step, row: Row) -> str:
    """Return the name of a row's dead letter: that of its first part."""
    return next(iter(step.receipts(row)))


def failed_url(directory: str, part: str) -> str:
    """Return where the dead letter of a part lies."""
    return files.join(directory, FAILED, f"{part}.json")


def dead_letter(directory: str, part: str) -> FailedInput | None:
    """Return why a part could not be read; None where it was, or was not tried."""
    url = failed_url(directory, part)
    if not files.exists(url):
        return None
    return FailedInput.model_validate_json(files.read_bytes(url))


def done_receipts(step: Step, row: Row) -> list[Receipt]:
    """Return the receipts of a row that is done, all of them whole; none where it is not done."""
    found: list[Receipt] = []
    for name in step.receipts(row):
        receipt = load_receipt(step.directory, name)
        if receipt is None or not is_whole(step.directory, receipt):
            return []
        found.append(receipt)
        if receipt.last:
            return found
    return []


def is_done(step: Step, row: Row) -> bool:
    """Tell whether nothing is left to do for a row: it is whole, or a dead letter."""
    failed = files.exists(failed_url(step.directory, letter_name(step, row)))
    return failed or bool(done_receipts(step, row))


def check_failures(failed: list[FailedInput], inputs: int, limit: float, directory: str) -> None:
    """Stop where more than a share of the inputs could not be read.

    Raises:
        DataError: it names the first of them and says how to go on.
    """
    if len(failed) > limit * inputs:
        raise DataError(
            f"{len(failed)} of {inputs} inputs cannot be read, more than max_failed = {limit:g} "
            f"allows; the first: {failed[0].error}. Mend them and run again with --retry-failed "
            f"(all are listed in {files.join(directory, FAILED)})"
        )
