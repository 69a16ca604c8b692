"""The driver looks for what was done, with few requests, and believes no engine."""

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.receipts import Receipt, file_record, receipt_url, save_receipt
from pipelines.runtime.job import Job
from pipelines.runtime.outcomes import Outcomes
from pipelines.runtime.runners import Runner
from pipelines.runtime.step import failed_url
from tests.pipelines.runtime.fake_engines import Elsewhere, Idle, engine
from tests.pipelines.runtime.test_job import ROWS, CountBytes

ONE = Runner(options=("--direct_num_workers=1",))


def job(directory: Path, broken: str = "") -> Job:
    """Return a job of two rows, whose table lies in the output."""
    output = directory / "out"
    output.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(ROWS), output / "rows.parquet")
    return Job(CountBytes(str(output), broken), str(output / "rows.parquet"), "count")


def test_an_engine_that_answers_done_and_did_nothing_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"Idle ended without an error, but 2 of 2 parts of count are not done; "
        r"workers that answered: 0; the first is a \(a\); the same command goes on",
    ):
        job(tmp_path).run(engine(Idle))


def test_parts_that_an_engine_lost_are_counted_and_done_by_the_same_command(tmp_path: Path) -> None:
    job(tmp_path, broken="a").run(ONE)
    (tmp_path / "out/receipts/b.json").unlink()
    with pytest.raises(DataError, match=r"but 1 of 2 parts of count are not done.* is b \(b\)"):
        job(tmp_path).run(engine(Idle))
    assert [receipt.name for receipt in job(tmp_path).run(ONE)] == ["b"]


def test_a_worker_with_another_disk_stops_before_its_first_row(tmp_path: Path) -> None:
    Elsewhere.disk = tmp_path / "out"
    with pytest.raises(DataError, match=r"a worker on .* does not see the files that the driver"):
        job(tmp_path).run(engine(Elsewhere))
    assert not (tmp_path / "worker").exists(), "the worker wrote nothing"


def test_a_worker_that_shares_the_directory_answers_and_the_answers_are_removed(
    tmp_path: Path,
) -> None:
    Elsewhere.disk = tmp_path / "unrelated"
    Elsewhere.disk.mkdir()
    assert len(job(tmp_path).run(engine(Elsewhere))) == 2
    assert list((tmp_path / "out/probe").iterdir()) == []


class Counted(MemoryFileSystem):
    """A store in memory that counts its requests; a listing of 1,000 names is one."""

    protocol = "counted"
    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012 - as in the class it is made from
    pseudo_dirs = [""]  # noqa: RUF012
    requests: ClassVar[Counter[str]] = Counter()

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("counted://", "memory://"))

    def info(self, path, **kwargs):
        Counted.requests["info"] += 1
        return super().info(path, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        names = super().ls(path, detail, **kwargs)
        Counted.requests["list"] += -(-len(names) // 1000)
        return names

    def cat_file(self, path, start=None, end=None, **kwargs):
        Counted.requests["get"] += 1
        return super().cat_file(path, start, end, **kwargs)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    fsspec.register_implementation("counted", Counted, clobber=True)
    monkeypatch.setattr(Counted, "store", {})
    monkeypatch.setattr(Counted, "pseudo_dirs", [""])
    return Counted


def test_the_driver_requests_each_receipt_once(store: type[Counted]) -> None:
    directory, rows = "counted://out", [{"input": f"{number:04}"} for number in range(300)]
    for row in rows:
        path = f"documents/{row['input']}.parquet"
        files.write_bytes(files.join(directory, path), b"data")
        record = file_record(directory, path)
        save_receipt(
            directory, Receipt(name=row["input"], step="s", digest="", files={path: record})
        )
    outcomes = Outcomes(CountBytes(directory))
    store.requests.clear()
    assert outcomes.undone(rows) == []
    assert len(outcomes.receipts(rows)) == 300
    assert outcomes.undone(rows) == []
    assert store.requests == {"get": 300, "list": 6}


def test_a_row_is_done_by_a_dead_letter_or_by_whole_files(tmp_path: Path) -> None:
    directory, rows = str(tmp_path), [{"input": name} for name in "abcdef"]
    for name in "abcd":
        files.write_bytes(files.join(directory, name), b"data")
        record = {name: file_record(directory, name)}
        save_receipt(directory, Receipt(name=name, step="s", digest="", files=record))
    files.write_bytes(files.join(directory, "b"), b"cut")
    files.remove(files.join(directory, "c"))
    half = files.read_bytes(receipt_url(directory, "d"))[:20]
    files.write_bytes(receipt_url(directory, "d"), half)
    files.write_json(failed_url(directory, "e"), {"source": "s", "input": "e", "error": "torn"})
    outcomes = Outcomes(CountBytes(directory))
    assert [row["input"] for row in outcomes.undone(rows)] == ["b", "c", "d", "f"]
    outcomes.forget_failures(rows)
    assert [row["input"] for row in outcomes.undone(rows)] == ["b", "c", "d", "e", "f"]
