"""Rows of a table of parts go through a step, in a user's own pipeline too."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing import test_pipeline as testing
from apache_beam.testing.util import assert_that, equal_to

from manifests.errors import InputError
from manifests.lineage.manifest import FailedInput
from manifests.lineage.receipts import ComponentFunnel, Count, Receipt, save_receipt
from pipelines.runtime.job import NAMESPACE, Job, ProcessParts, ReadParts
from pipelines.runtime.runners import Runner
from pipelines.runtime.step import Step, dead_letters

ROWS = [{"source": "s", "input": name, "bytes": size} for name, size in (("a", 3), ("b", 5))]


@dataclass
class CountBytes(Step[dict[str, Any]]):
    """A step that writes a receipt for each row, unless its input is broken."""

    directory: str
    broken: str = ""

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        yield row["input"]

    def work(self, row: dict[str, Any]) -> None:
        if row["input"] == self.broken:
            raise InputError("is truncated")
        funnel = ComponentFunnel(
            documents_in=3,
            bytes_in=row["bytes"],
            rejected={"empty": Count(documents=2, bytes=0)},
            documents=1,
            bytes=row["bytes"],
            tokens=7,
        )
        receipt = Receipt(
            name=row["input"], step="count", digest="0", funnel={"s": {"s/python": funnel}}
        )
        save_receipt(self.directory, receipt)


def names(receipts: beam.PCollection) -> beam.PCollection:
    return receipts | beam.Map(lambda receipt: receipt.name)


@pytest.mark.parametrize("processes", [1, 2])
def test_rows_become_receipts_and_counters_in_a_users_pipeline(
    tmp_path: Path, processes: int
) -> None:
    with testing.TestPipeline(runner=FnApiRunner()) as pipeline:
        receipts = pipeline | beam.Create(ROWS) | ProcessParts(CountBytes(str(tmp_path)), processes)
        assert_that(names(receipts), equal_to(["a", "b"]))
    metrics = pipeline.result.metrics().query(
        beam.metrics.MetricsFilter().with_namespace(NAMESPACE)
    )
    assert {result.key.metric.name: result.committed for result in metrics["counters"]} == {
        "parts": 2,
        "documents_in": 6,
        "bytes_in": 8,
        "documents_kept": 2,
        "bytes_kept": 8,
        "rejected_empty": 4,
        "tokens": 14,
    }
    [seconds] = metrics["distributions"]
    assert (seconds.key.metric.name, seconds.committed.count) == ("part_milliseconds", 2)


def test_windows_and_timestamps_of_rows_are_those_of_their_receipts(tmp_path: Path) -> None:
    with testing.TestPipeline(runner=FnApiRunner()) as pipeline:
        counts = (
            pipeline
            | beam.Create(ROWS)
            | beam.Map(lambda row: beam.window.TimestampedValue(row, row["bytes"]))
            | beam.WindowInto(beam.window.FixedWindows(4))
            | ProcessParts(CountBytes(str(tmp_path)))
            | beam.Map(
                lambda receipt, window=beam.DoFn.WindowParam: (int(window.start), receipt.name)
            )
        )
        assert_that(counts, equal_to([(0, "a"), (4, "b")]))


@pytest.mark.parametrize("processes", [1, 2])
def test_an_input_that_cannot_be_read_has_a_dead_letter_and_no_receipt(
    tmp_path: Path, processes: int
) -> None:
    step = CountBytes(str(tmp_path), broken="a")
    with testing.TestPipeline(runner=FnApiRunner()) as pipeline:
        receipts = pipeline | beam.Create(ROWS) | ProcessParts(step, processes)
        assert_that(names(receipts), equal_to(["b"]))
    letter = FailedInput(source="s", input="a", error="is truncated")
    assert dead_letters(str(tmp_path)) == {"a": letter}


def test_a_table_of_parts_is_read_without_the_rows_that_cannot_be(tmp_path: Path) -> None:
    rows = [{"input": "a", "error": None}, {"input": "b", "error": "is truncated"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "plan.parquet")
    with testing.TestPipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | ReadParts(str(tmp_path / "plan.parquet"))
        assert_that(read, equal_to(rows[:1]))


def test_a_job_passes_over_done_rows_and_tries_failed_rows_again_on_request(
    tmp_path: Path,
) -> None:
    table, output = str(tmp_path / "rows.parquet"), str(tmp_path / "out")
    pq.write_table(pa.Table.from_pylist(ROWS), table)
    runner = Runner(options=("--direct_num_workers=1",))
    broken = CountBytes(output, broken="b")
    assert [receipt.name for receipt in Job(broken, table, "count").run(runner)] == ["a"]
    time = (tmp_path / "out/receipts/a.json").stat().st_mtime_ns
    whole = Job(CountBytes(output), table, "count")
    assert [receipt.name for receipt in whole.run(runner)] == ["a"]
    again = whole.run(runner, retry_failed=True)
    assert [receipt.name for receipt in again] == ["a", "b"]
    assert (tmp_path / "out/receipts/a.json").stat().st_mtime_ns == time
