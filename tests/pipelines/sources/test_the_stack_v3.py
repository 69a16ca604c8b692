"""The Stack v3: nested files become documents, large rows are read apart, some are dead letters."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import InputError
from manifests.io.parquet import ParquetReader
from pipelines.sources import the_stack_v3
from pipelines.sources.the_stack_v3 import TheStackV3
from tests.pipelines.sources.stack_v3 import ROWS, file, repository, write


def read(url: str, layout: TheStackV3 | None = None, **options: Any) -> list[dict[str, Any]]:
    layout = layout or TheStackV3()
    return [
        row
        for unit in layout.cut(url)
        for part in layout.read(url, "part.parquet", unit, **options)
        for row in part.rows.to_pylist()
    ]


@pytest.mark.parametrize("group", [1, 2, 100])
def test_nested_files_become_documents(tmp_path: Path, group: int) -> None:
    rows = read(write(tmp_path, ROWS, group))
    assert [row["text"] for row in rows] == [
        *["x = 1\n", "y\n", None, "z = 1\n", "w\n", "w\n", "w\n", "v\n"]
    ]
    # Two repositories without files take a number each.
    assert [row["input_row"] for row in rows] == [0, 1, 4, 5, 6, 7, 8, 9]
    assert [row["component"] for row in rows[:2]] == ["python", "c"]
    assert [row["repositories"] for row in rows[1:3]] == [["a/b"], ["d/e"]]
    assert [row["stars"] for row in rows[1:3]] == [3, 9]
    assert rows[1]["path"] == "v/b.c"


def test_no_license_is_no_permission(tmp_path: Path) -> None:
    detected = ["MIT", "LicenseRef-scancode-dco-1.1"]
    files = [
        file("a\n", detected_licenses=detected),
        file("b\n", license_type="no_license", detected_licenses=detected),
        file("c\n", license_type=None, detected_licenses=detected),
    ]
    rows = read(write(tmp_path, [repository("a/b", files)]))
    assert [row["licenses"] for row in rows] == [["MIT"], None, None]
    assert TheStackV3.missing == "reject"


def test_null_contents_and_repeated_files_are_faults(tmp_path: Path) -> None:
    rows = read(write(tmp_path, ROWS))
    assert [row["fault"] for row in rows] == [
        *[None, None, "null_text", None, None, "repeated_file", None, None]
    ]


def test_vendored_files_are_components_of_their_own(tmp_path: Path) -> None:
    layout = TheStackV3(partition_by=("is_vendor",))
    rows = read(write(tmp_path, ROWS[:1]), layout)
    assert [row["component"] for row in rows] == ["python--false", "c--true"]


def test_a_row_larger_than_a_part_becomes_several_parts(tmp_path: Path) -> None:
    texts = [f"{number:050d}" for number in range(10)]
    url = write(tmp_path, [repository("a/b", [file(text) for text in texts])])
    parts = list(TheStackV3().read(url, "a", (0, 1), max_bytes=120))
    assert [part.rows.num_rows for part in parts] == [2] * 5
    assert [part.last for part in parts] == [False] * 4 + [True]
    assert [part.number for part in parts] == list(range(5))
    assert [text for part in parts for text in part.rows["text"].to_pylist()] == texts


def test_texts_are_found_again_by_their_numbers(tmp_path: Path) -> None:
    url = write(tmp_path, ROWS, 2)
    assert TheStackV3().texts(url, "a", {1, 5, 9, 99}) == {1: "y\n", 5: "z = 1\n", 9: "v\n"}


@pytest.mark.parametrize("group", [1, 2, 100])
def test_large_row_groups_are_read_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    url = write(tmp_path, ROWS, group)
    expected = read(url)
    monkeypatch.setattr(the_stack_v3, "GROUP_BYTES", 0)
    assert read(url) == expected


def test_a_row_above_the_limit_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Texts that do not compress: the footer has the size of what it stores.
    large = [file("".join(map(chr, range(start, start + 900)))) for start in range(300, 9000, 900)]
    rows = [repository("a/b", [file("x\n")]), repository("big/one", large)]
    rows.append(repository("c/d", [file("y\n")]))
    url = write(tmp_path, rows, 1)
    monkeypatch.setattr(the_stack_v3, "GROUP_BYTES", 1000)
    monkeypatch.setattr(the_stack_v3, "MAX_ROW_BYTES", 5000)
    result = read(url)
    assert [row["text"] for row in result] == ["x\n", None, "y\n"]
    assert [row["fault"] for row in result] == [None, "row_too_large", None]
    assert [row["repositories"] for row in result] == [["a/b"], ["big/one"], ["c/d"]]
    assert len({row["input_row"] for row in result}) == 3


def fail_after_one_row(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let row groups be read row by row, and let the reading of the second row fail."""
    single_rows = the_stack_v3._single_rows

    def failing(file: ParquetReader, group: int) -> Iterator[pa.Table]:
        yield next(single_rows(file, group))
        raise error

    monkeypatch.setattr(the_stack_v3, "GROUP_BYTES", 0)
    monkeypatch.setattr(the_stack_v3, "_single_rows", failing)


@pytest.mark.parametrize("error", [pa.ArrowInvalid("bad page"), OSError("bad page")])
def test_a_row_at_which_arrow_fails_and_the_rows_behind_it_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    rows = [repository(name, [file(f"{name}\n")]) for name in ("a/b", "c/d", "e/f")]
    url = write(tmp_path, rows, 3)
    fail_after_one_row(monkeypatch, error)
    assert [row["fault"] for row in read(url)] == [None, "row_too_large", "row_unreadable"]


def test_an_error_of_the_disk_is_no_fault_of_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = write(tmp_path, ROWS, 100)
    fail_after_one_row(monkeypatch, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output error"):
        read(url)


@pytest.mark.parametrize("column", ["repo_path", "files", "github_metadata"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    url = write(tmp_path, ROWS)
    pq.write_table(pq.read_table(url).drop_columns([column]), url)
    with pytest.raises(InputError, match=f"'{column}' is missing"):
        TheStackV3().cut(url)


def test_a_missing_field_of_files_is_named(tmp_path: Path) -> None:
    files = pa.array([[{"content": "x"}]])
    table = pa.table({"repo_path": ["a/b"], "github_metadata": [{"stars": 1}], "files": files})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'file_path' is missing; it has content"):
        TheStackV3().cut(str(tmp_path / "a.parquet"))
