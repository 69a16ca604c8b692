"""Bad input gives a decision with its rule, or one error message before any work."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import DataError
from manifests.lineage.manifest import load_manifest
from pipelines.license_filter.job import run
from pipelines.preparation import Preparation, load_preparation
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack

CORPUS = """
max_failed = {max_failed}
[[source]]
name = "stack"
kind = "{kind}"
files = "data/**/*.{kind_of_file}"
{more}
[tokenize]
tokenizer = {{ train = 700 }}
"""


def prepare(path: Path, kind: str = "the-stack", more: str = "", failed: float = 0) -> Preparation:
    kind_of_file = "jsonl" if kind == "jsonl" else "parquet"
    text = CORPUS.format(kind=kind, kind_of_file=kind_of_file, more=more, max_failed=failed)
    (path / "CORPUS.toml").write_text(text)
    one = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(path / "CORPUS.toml"), str(path / "out"), one)
    run(preparation)
    return preparation


def decisions(preparation: Preparation) -> list[dict[str, Any]]:
    """Return every decision, in the order of the rows of the only input."""
    (path,) = (Path(preparation.license_filter) / "decisions").iterdir()
    return sorted(pq.read_table(path).to_pylist(), key=lambda row: int(row["input_row"]))


def rules_and_licenses(preparation: Preparation) -> list[tuple[str | None, str | None]]:
    return [(row["rule"], row["evidence"]["license"]) for row in decisions(preparation)]


MANY = [f"Made-up-{number}" for number in range(10_000)]

LISTS: list[tuple[list[str | None] | None, str | None, str | None]] = [
    ([None, "MIT"], None, "MIT"),
    ([None, None], "license_unknown", None),
    (["MIT\n"], None, "MIT"),
    (["MIT\nGPL-3.0-only"], "license_unknown", "LicenseRef-MIT-GPL-3.0-only"),
    ([*MANY, "GPL-3.0-only"], "license_denied", "..."),
    ([], "license_unknown", None),
]


def test_license_lists_with_nulls_with_line_ends_and_with_ten_thousand_ids(tmp_path: Path) -> None:
    rows = [stack_row(code(i), licenses) for i, (licenses, _, _) in enumerate(LISTS)]
    write_stack(tmp_path / "data/python/a.parquet", rows)
    judged = rules_and_licenses(prepare(tmp_path))
    assert [rule for rule, _ in judged] == [rule for _, rule, _ in LISTS]
    for (_, _, expected), (_, license) in zip(LISTS, judged, strict=True):
        assert license == expected or (expected == "..." and license and len(license) > 10_000)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["MIT", "GPL-3.0-only", None]),
        pa.array([[["MIT"]], [["GPL-3.0-only"]], [None]]),
        pa.array([{"list": [{"item": i}]} for i in ("MIT", "GPL-3.0-only", None)]),
        pa.array([{"list": [{"element": i}, None]} for i in ("MIT", "GPL-3.0-only", None)]),
    ],
    ids=["strings", "lists in lists", "bigquery", "bigquery, other names"],
)
def test_license_lists_in_other_forms(tmp_path: Path, column: pa.Array) -> None:
    table = pa.Table.from_pylist([stack_row(code(i), ["MIT"]) for i in range(3)])
    for group in ("stars", "issues", "forks"):
        name = f"max_{group}_repo_licenses"
        table = table.set_column(table.schema.get_field_index(name), name, column)
    path = tmp_path / "data/python/a.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    assert rules_and_licenses(prepare(tmp_path)) == [
        (None, "MIT"),
        ("license_denied", "GPL-3.0-only"),
        ("license_unknown", None),
    ]


def test_a_file_of_one_line_of_forty_megabytes(tmp_path: Path) -> None:
    line = "x = [" + "1234, " * (40_000_000 // 6)
    write_stack(tmp_path / "data/python/a.parquet", [stack_row(line, ["MIT"])])
    (row,) = decisions(prepare(tmp_path))
    assert row["rule"] == "max_line_length" and row["max_line_length"] == len(line)


def unchecked(column: list[bytes]) -> pa.Array:
    """Return bytes as a column of strings without a check that they are UTF-8."""
    binary = pa.array(column, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(column), binary.buffers())


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("content", ["invalid_utf8", None]),
        ("max_stars_repo_path", [None, None]),
        ("max_issues_repo_name", [None, None]),
        ("lang", [None, None]),
    ],
)
def test_bytes_that_are_not_utf_8(tmp_path: Path, name: str, rules: list[str | None]) -> None:
    table = pa.Table.from_pylist([stack_row(code(i), ["MIT"]) for i in range(2)])
    values = [b"\xff\xfe" + code(0).encode(), str(table[name][1]).encode()]
    table = table.set_column(table.schema.get_field_index(name), name, unchecked(values))
    path = tmp_path / "data/python/a.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    preparation = prepare(tmp_path, more="[filters]\nextension = false\nlanguage = false")
    assert [row["rule"] for row in decisions(preparation)] == rules


def test_lines_that_are_not_json_are_faults_of_their_rows(tmp_path: Path) -> None:
    good = {"text": code(1), "license": "MIT"}
    lines = [
        json.dumps(good).encode(),
        b"{",
        b'{"text": "\xff", "license": "MIT"}',
        json.dumps({**good, "text": "\ud800"}).encode(),
        json.dumps({**good, "text": None}).encode(),
        json.dumps({**good, "license": {"list": [{"item": "MIT"}]}, "stars": "many"}).encode(),
        b"[" * 100_000,
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").write_bytes(b"\n".join(lines))
    columns = 'columns = { text = "text", license = "license", stars = "stars" }'
    rules = [row["rule"] for row in decisions(prepare(tmp_path, "jsonl", columns))]
    assert rules == [
        None,
        "bad_json",
        "invalid_utf8",
        "invalid_utf8",
        "null_text",
        None,
        "bad_json",
    ]


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("content", [1], "the column 'content' holds int64, where strings are needed"),
        ("max_stars_count", ["many"], "the column 'max_stars_count' holds string, where numbers"),
        ("max_forks_repo_name", [["a/b"]], "'max_forks_repo_name' holds list.*, where strings"),
        ("lang", [{"a": 1}], "the column 'lang' holds struct.*, where strings are needed"),
    ],
)
def test_a_column_of_another_type_is_named_and_nothing_is_written(
    tmp_path: Path, name: str, values: list[Any], sentence: str
) -> None:
    table = pa.Table.from_pylist([stack_row(code(0), ["MIT"])])
    table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    path = tmp_path / "data/python/a.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    with pytest.raises(DataError, match=sentence):
        prepare(tmp_path)
    assert not list((tmp_path / "out").rglob("documents/*"))
    (failed,) = load_manifest(prepare(tmp_path, failed=1).license_filter).failed
    assert failed.input == "python/a.parquet"
