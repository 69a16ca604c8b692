"""Parts are written in the background, one after another, and no error is lost."""

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from apache_beam.transforms.window import GlobalWindow

from pipelines.corpus.loading import load_corpus
from pipelines.license_filter import step, writer
from pipelines.license_filter.plan import make_plan
from pipelines.license_filter.reference_lists import digest_lists
from pipelines.license_filter.writer import MAX_BACKGROUND_BYTES, BackgroundWriter
from pipelines.runtime.job import DoRows
from pipelines.runtime.step import is_done


def test_a_part_is_written_while_the_next_one_is_decided() -> None:
    background, may_end = BackgroundWriter(), threading.Event()
    written: list[str] = []

    def slow() -> None:
        assert may_end.wait(60)
        written.append("a")

    background.submit(slow, 1)
    assert written == []
    may_end.set()
    background.submit(lambda: written.append("b"), 1)
    assert written[0] == "a"
    background.finish()
    assert written == ["a", "b"]
    background.finish()
    assert written == ["a", "b"]


def test_a_large_part_is_written_at_once_and_alone() -> None:
    background = BackgroundWriter()
    written: list[str] = []
    background.submit(lambda: written.append("a"), 1)
    background.submit(lambda: written.append("b"), MAX_BACKGROUND_BYTES + 1)
    assert written == ["a", "b"]


@pytest.mark.parametrize("size", [1, MAX_BACKGROUND_BYTES + 1])
def test_an_error_of_a_write_is_raised_before_the_next_part_or_at_the_end(size: int) -> None:
    background = BackgroundWriter()

    def fail() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        background.submit(fail, size)
        background.submit(lambda: None, 1)
    background.finish()


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
    digests = digest_lists(loaded)
    row = make_plan(loaded, digests).to_pylist()[-1]
    assert row["source"] == "pile", "its source has no header veto"
    filtering = step.FilterLicenses(str(corpus.parent / "out"), loaded, digests)
    rows = DoRows(filtering)
    rows.setup()
    rows.start_bundle()
    rows.process(row, 0, GlobalWindow())
    assert begun.wait(60) and not is_done(filtering, row)
    threading.Timer(0.2, may_write.set).start()
    list(rows.finish_bundle())
    assert is_done(filtering, row)
