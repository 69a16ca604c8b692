"""Beam's side of a step: transforms from rows of a table of parts to receipts, and local jobs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.windowed_value import WindowedValue

from manifests.errors import DataError
from manifests.io.parquet import read_table
from manifests.lineage.receipts import Receipt, sum_funnel
from pipelines.runtime import processes, progress, runners
from pipelines.runtime.outcomes import Outcomes
from pipelines.runtime.probe import Probe
from pipelines.runtime.runners import Runner, Work
from pipelines.runtime.step import Row, Step, do_row, done_receipts, letter_name

NAMESPACE = "stackpile"
"""Namespace of the counters and distributions that engines show."""


@beam.typehints.with_output_types(dict[str, Any])
class ReadParts(beam.PTransform):
    """Read the readable rows of a table of parts: a Parquet file that workers can read."""

    def __init__(self, table: str, probe: Probe | None = None) -> None:
        """Read the Parquet file at `table`, a path or URL, when a worker has answered `probe`."""
        super().__init__()
        self.table, self.probe = table, probe

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return the rows as dicts."""
        return begin | "Table" >> beam.Create([self.table]) | "Rows" >> beam.FlatMap(self._rows)

    def _rows(self, table: str) -> list[dict[str, Any]]:
        if self.probe:
            self.probe.answer()
        return readable_rows(table)


@beam.typehints.with_output_types(Receipt)
class ProcessParts(beam.PTransform):
    """Do a step for each row of a table of parts: rows in, receipts out.

    A row that is done already is passed over, and its receipts are in the output too. A row whose
    input cannot be read has no receipt; its dead letter lies below the step's directory. Engines
    show counters of documents, bytes and tokens and the time of each row.
    """

    def __init__(self, step: Step[Any], processes: int = 1, probe: Probe | None = None) -> None:
        """Do `step`.

        Args:
            step: the work on one row.
            processes: worker processes for the rows of a bundle. One: the engine's own worker does
                the rows. More serve engines that run in one process.
            probe: a question of the driver that each of the engine's workers answers first.
        """
        super().__init__()
        self.step, self.processes, self.probe = step, processes, probe

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Return the receipts."""
        # Rows often come from one element: without a shuffle they would stay on one worker.
        return rows | "Spread" >> beam.Reshuffle() | "Do" >> beam.ParDo(self._do())

    def _do(self) -> beam.DoFn:
        return DoRows(self.step, self.processes, self.probe)


class DoRows(beam.DoFn):
    """Do the rows of a bundle, then yield their receipts."""

    def __init__(self, step: Step[Any], processes: int = 1, probe: Probe | None = None) -> None:
        """Do `step`, in `processes` worker processes if there are more than one."""
        self.step, self.processes, self.probe = step, processes, probe

    def setup(self) -> None:
        """Answer the driver's question, then load models and tables."""
        if self.probe:
            self.probe.answer()
        if self.processes == 1:
            self.step.setup()

    def start_bundle(self) -> None:
        """Start without rows."""
        self._rows: list[tuple[Row, Any, Any]] = []

    def process(
        self,
        element: Row,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> None:
        """Do a row here; with several processes, leave it to `finish_bundle`."""
        self._rows.append((element, timestamp, window))
        if self.processes == 1:
            _measure(do_row(self.step, element))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield the receipts of the bundle's rows when all their files are written."""
        if self.processes == 1:
            self.step.finish()
        else:
            rows = [row for row, _, _ in self._rows]
            for seconds in processes.do_rows(self.step, rows, min(self.processes, len(rows))):
                _measure(seconds)
        for row, timestamp, window in self._rows:
            for receipt in done_receipts(self.step, row):
                count(receipt)
                yield WindowedValue(receipt, timestamp, [window])


def readable_rows(table: str) -> list[dict[str, Any]]:
    """Return the rows of a table of parts whose `error` is null or absent."""
    return [row for row in read_table(table).to_pylist() if row.get("error") is None]


def _measure(seconds: float) -> None:
    """Add the time of a row to its distribution, in whole milliseconds."""
    Metrics.distribution(NAMESPACE, "part_milliseconds").update(round(seconds * 1000))


def count(receipt: Receipt) -> None:
    """Add a receipt to the counters that an engine shows.

    An engine that tries a bundle again counts its receipts again, so no manifest is made of them.
    """
    funnel = sum_funnel(receipt.funnel)
    counts = {
        "parts": 1,
        "documents_in": funnel.documents_in,
        "bytes_in": funnel.bytes_in,
        "documents_kept": funnel.documents,
        "bytes_kept": funnel.bytes,
        "tokens": funnel.tokens,
        **{f"rejected_{rule}": count.documents for rule, count in funnel.rejected.items()},
    }
    for name, number in counts.items():
        if number:
            Metrics.counter(NAMESPACE, name).inc(number)


@dataclass(frozen=True)
class Job:
    """A step over a table of parts (a Parquet file that workers can read)."""

    step: Step[Any]
    table: str
    label: str
    """Label of the progress bar and of the transform."""
    rows: beam.PTransform | None = None
    """What reads the rows for the workers, with fields that the table lacks; by default ReadParts
    of the table."""

    def run(self, runner: Runner, retry_failed: bool = False) -> list[Receipt]:
        """Do the rows that are not done, and return the receipts of all rows in table order.

        Args:
            runner: the engine.
            retry_failed: whether rows that have a dead letter are tried again.

        Raises:
            DataError: the engine failed, or it ended and rows are not done.
            HandedOver: the engine wrote the job instead of running it.
        """
        rows = readable_rows(self.table)
        outcomes = Outcomes(self.step)
        if retry_failed:
            outcomes.forget_failures(rows)
        undone = outcomes.undone(rows)
        with progress.parts(self.step.directory, self.label, len(rows), len(rows) - len(undone)):
            if undone:
                probe = None if runner.in_process else Probe(self.step.directory)
                self._do(runner, len(undone), probe)
                undone = outcomes.undone(undone)
                if undone:
                    raise DataError(self._not_done(runner, undone, len(rows), probe))
                if probe:
                    probe.remove()
        return outcomes.receipts(rows)

    def _do(self, runner: Runner, parts: int, probe: Probe | None) -> None:
        """Run the step on an engine."""
        if probe:
            probe.ask()
        transform = ProcessParts(self.step, runner.processes(parts), probe)
        runners.run(
            runner,
            Work(self.label, self.step.directory, parts),
            lambda pipeline: (
                pipeline
                | "Parts" >> (self.rows or ReadParts(self.table, probe))
                | self.label >> transform
            ),
        )

    def _not_done(
        self, runner: Runner, undone: Sequence[Row], rows: int, probe: Probe | None
    ) -> str:
        """Return the sentence about rows that an engine left undone."""
        first = letter_name(self.step, undone[0])
        if "input" in undone[0]:
            first += f" ({undone[0]['input']})"
        workers = f"; workers that answered: {len(probe.answers())}" if probe else ""
        return (
            f"{self.step.directory}: {runner.name} ended without an error, but {len(undone):,} of "
            f"{rows:,} parts of {self.label} are not done{workers}; the first is {first}; the same "
            "command goes on from here"
        )
