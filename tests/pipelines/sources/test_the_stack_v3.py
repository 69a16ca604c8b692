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


def large(start: int) -> dict[str, Any]:
    """Return a row whose texts do not compress, so that the footer has their size, too."""
    texts = ["".join(map(chr, range(first, first + 900))) for first in range(start, 9000, 900)]
    return repository("big/one", [file(text) for text in texts])


SMALL = [repository(name, [file(f"{name}\n"), file("")]) for name in ("a/b", "c/d", "e/f")]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_stack_v3, "GROUP_BYTES", 1000)
    monkeypatch.setattr(the_stack_v3, "MAX_ROW_BYTES", 5000)


@pytest.mark.parametrize("group", [1, 2, 5])
@pytest.mark.parametrize("places", [(0,), (1,), (3,), (0, 2), (1, 2), (3, 4)])
def test_rows_above_the_limit_are_named_and_the_others_are_read(
    tmp_path: Path, limits: None, group: int, places: tuple[int, ...]
) -> None:
    rows = list(SMALL)
    for place in places:
        rows.insert(place, large(300))
    result = read(write(tmp_path, rows, group))
    names = [rows[row]["repo_path"] for row in range(len(rows)) for _ in range(2)]
    expected = [name for name in names if name != "big/one"]
    kept = [row for row in result if row["fault"] is None]
    assert [row["repositories"] for row in kept] == [[name] for name in expected]
    assert [row["text"] for row in kept[::2]] == [f"{name}\n" for name in expected[::2]]
    named = [row["repositories"] for row in result if row["fault"] == "row_too_large"]
    assert named == [["big/one"]] * len(places) and len(kept) + len(named) == len(result)
    # A row that is not read keeps the numbers of its files.
    starts = [sum(len(row["files"]) for row in rows[:place]) for place in range(len(rows))]
    assert [row["input_row"] for row in kept[::2]] == [
        start for start, row in zip(starts, rows, strict=True) if row["repo_path"] != "big/one"
    ]


def test_rows_above_the_limit_are_not_decoded_at_the_end_of_a_row_group(
    tmp_path: Path, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def spy(file: ParquetReader, group: int) -> Iterator[pa.Table]:
        for row in file.read_batches(group, the_stack_v3.COLUMNS, 1):
            decoded.append(row.num_rows)
            yield row

    monkeypatch.setattr(the_stack_v3, "_single_rows", spy)
    result = read(write(tmp_path, [SMALL[0], large(300), large(400)]))
    assert [row["fault"] for row in result] == [None, None, "row_too_large", "row_too_large"]
    assert decoded == [1]


def test_texts_that_the_footer_does_not_count_are_read_row_by_row(
    tmp_path: Path, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One text in the dictionary of the column stands for all files: together above the limit.
    rows = [
        repository(f"a/{number}", [file("x" * 90, f"{i}.py") for i in range(5)])
        for number in range(9)
    ]
    url = write(tmp_path, rows)
    columns = pq.read_metadata(url).to_dict()["row_groups"][0]["columns"]
    sizes = {column["path_in_schema"]: column["total_uncompressed_size"] for column in columns}
    assert sizes["files.list.element.content"] < 1000
    groups: list[int] = []
    single_rows = the_stack_v3._single_rows

    def spy(file: ParquetReader, group: int) -> Iterator[pa.Table]:
        groups.append(group)
        return single_rows(file, group)

    monkeypatch.setattr(the_stack_v3, "_single_rows", spy)
    assert [row["text"] for row in read(url)] == ["x" * 90] * 45
    assert groups == [0]


def test_one_row_at_a_time_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1 << 20
    texts = [f"{number:08}" * (size // 32) for number in range(96)]
    rows = [repository("a/b", [file(text) for text in texts[i : i + 4]]) for i in range(0, 96, 4)]
    url = write(tmp_path, rows)
    # Pages of a row, as Spark writes them: Arrow holds a whole page and its dictionary.
    pq.write_table(pq.read_table(url), url, use_dictionary=False, write_batch_size=1)
    monkeypatch.setattr(the_stack_v3, "GROUP_BYTES", 0)
    default = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(default)
    pa.set_memory_pool(pool)
    try:
        parts = TheStackV3().read(url, "a", (0, 1), max_bytes=size // 2)
        assert sum(part.rows.num_rows for part in parts) == 96
    finally:
        pa.set_memory_pool(default)
    # Of 24 rows: the one that is decoded, the one before, and the one that was returned.
    assert size < pool.max_memory() < 4 * size


def fail_after_one_row(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let row groups be read row by row, and let the reading of the second row fail."""
    single_rows = the_stack_v3._single_rows

    def failing(file: ParquetReader, group: int) -> Iterator[pa.Table]:
        yield next(single_rows(file, group))
        raise error

    monkeypatch.setattr(the_stack_v3, "GROUP_BYTES", 0)
    monkeypatch.setattr(the_stack_v3, "_single_rows", failing)


@pytest.mark.parametrize("error", [pa.ArrowInvalid("bad page"), OSError("bad page")])
def test_a_row_at_which_arrow_fails_and_the_rows_behind_it_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    rows = [repository(name, [file(f"{name}\n")]) for name in ("a/b", "c/d", "e/f")]
    url = write(tmp_path, rows, 3)
    fail_after_one_row(monkeypatch, error)
    result = read(url)
    assert [row["fault"] for row in result] == [None, "row_unreadable", "row_unreadable"]
    assert [row["repositories"] for row in result] == [["a/b"], ["c/d"], ["e/f"]]


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
