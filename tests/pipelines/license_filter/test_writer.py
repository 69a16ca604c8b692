"""Parts are written behind one another, and nothing that goes wrong there is lost."""

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from apache_beam.transforms.window import GlobalWindow

from manifests.lineage.receipts import Receipt
from pipelines.corpus.loading import load_corpus
from pipelines.license_filter import step, writer
from pipelines.license_filter.plan import make_plan
from pipelines.license_filter.reference_lists import look
from pipelines.license_filter.writer import BEHIND_BYTES, Behind
from pipelines.runtime.job import DoRows
from pipelines.runtime.step import is_done


def receipt(name: str) -> Receipt:
    return Receipt(name=name, step="s", digest="0" * 64)


def test_a_part_is_written_while_the_next_one_is_decided() -> None:
    behind, may_end = Behind(), threading.Event()

    def slow() -> Receipt:
        assert may_end.wait(60)
        return receipt("a")

    assert list(behind.put(slow, 1)) == []
    may_end.set()
    assert [each.name for each in behind.put(lambda: receipt("b"), 1)] == ["a"]
    assert [each.name for each in behind.wait()] == ["b"]
    assert list(behind.wait()) == []


def test_a_large_part_is_written_at_once_and_alone() -> None:
    behind = Behind()
    assert list(behind.put(lambda: receipt("a"), 1)) == []
    large = behind.put(lambda: receipt("b"), BEHIND_BYTES + 1)
    assert [each.name for each in large] == ["a", "b"]


@pytest.mark.parametrize("size", [1, BEHIND_BYTES + 1])
def test_what_goes_wrong_is_raised_before_the_next_part_or_the_end(size: int) -> None:
    behind = Behind()

    def fail() -> Receipt:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        list(behind.put(fail, size))
        list(behind.put(lambda: receipt("b"), 1))
    assert list(behind.wait()) == []


def test_a_bundle_ends_when_the_filters_last_part_is_written(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write, begun = threading.Event(), threading.Event()
    write = writer.write_by_component

    def slow(url: str, table: pa.Table) -> None:
        begun.set()
        assert may_write.wait(60)
        write(url, table)

    monkeypatch.setattr(step, "write_by_component", slow)
    loaded = load_corpus(str(corpus))
    lists = look(loaded)
    row = make_plan(loaded, lists).to_pylist()[-1]
    assert row["source"] == "pile", "whose texts no detector is asked about"
    filtering = step.FilterLicenses(str(corpus.parent / "out"), loaded, lists)
    rows = DoRows(filtering)
    rows.setup()
    rows.start_bundle()
    rows.process(row, 0, GlobalWindow())
    assert begun.wait(60) and not is_done(filtering, row)
    threading.Timer(0.2, may_write.set).start()
    list(rows.finish_bundle())
    assert is_done(filtering, row)
