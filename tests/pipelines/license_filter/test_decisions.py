"""Rows of decisions/ and documents/ belong to the rows of the input that they name."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from filters import document_ids
from pipelines.license_filter.job import run
from pipelines.preparation import load_preparation
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack

CORPUS = """
[[source]]
name = "stack"
kind = "the-stack"
files = "stack/*.parquet"
license = { header = "off" }
[tokenize]
tokenizer = { train = 700 }
"""
LANGUAGES = {"Python": "py", "C": "c", "Go": "go"}


def table(directory: Path) -> list[dict[str, Any]]:
    (path,) = directory.iterdir()
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_rows_of_several_languages_stay_with_their_texts(tmp_path: Path) -> None:
    rows = [
        stack_row(
            code(number, lines=5 + number % 7),
            ["GPL-3.0-only"] if number % 5 == 0 else ["MIT"],
            lang=list(LANGUAGES)[number % 3],
            path=f"{number}.{list(LANGUAGES.values())[number % 3]}",
            repository=f"owner/repo{number}",
        )
        for number in range(30)
    ]
    write_stack(tmp_path / "stack/a.parquet", rows, group=7)
    (tmp_path / "CORPUS.toml").write_text(CORPUS)
    one = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(tmp_path / "CORPUS.toml"), str(tmp_path / "out"), one)
    run(preparation)
    decided = table(Path(preparation.license_filter, "decisions"))
    assert sorted(row["input_row"] for row in decided) == list(range(30))
    for row in decided:
        given = rows[row["input_row"]]
        texts = pa.array([given["content"]], pa.large_string())
        place = [[given["max_stars_repo_name"]], [given["max_stars_repo_path"]]]
        (id,) = document_ids.document_ids("stack", [place[0]], place[1], texts).to_pylist()
        assert row["id"] == id and row["bytes"] == len(given["content"])
        assert row["component"] == f"stack/{given['lang'].lower()}"
        assert row["kept"] == (row["rule"] is None) == (row["input_row"] % 5 != 0)
        assert row["evidence"]["license"] == given["max_stars_repo_licenses"][0]
        assert row["max_line_length"] == max(map(len, given["content"].split("\n")))
    kept = [rows[row["input_row"]] for row in decided if row["kept"]]
    documents = table(Path(preparation.license_filter, "documents"))
    assert [row["text"] for row in documents] == [row["content"] for row in kept]
    assert [row["path"] for row in documents] == [row["max_stars_repo_path"] for row in kept]


OWN = """
[[source]]
name = "ours"
kind = "jsonl"
files = "ours.jsonl"
columns = { text = "body", path = "file", component = "language" }
license = { missing = "accept", header = "off" }
[tokenize]
tokenizer = { train = 700 }
heldout = 0
"""


def test_a_users_own_files_are_rejected_by_published_filters_alone(tmp_path: Path) -> None:
    records = [
        {"body": "TEXT start(SB), 4\n\tRET\n", "file": "rt0.s", "language": "Assembly"},
        {"body": "x=1", "file": "short.py", "language": "Python"},
        {"body": "\u0001" * 9 + "def f(): return 12\n", "file": "odd.py", "language": "Python"},
        {"body": "x" * 2000, "file": "long.py", "language": "Python"},
    ]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    (tmp_path / "CORPUS.toml").write_text(OWN)
    one = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(tmp_path / "CORPUS.toml"), str(tmp_path / "out"), one)
    run(preparation)
    decided = table(Path(preparation.license_filter, "decisions"))
    rules = {row["input_row"]: row["rule"] for row in decided}
    assert rules == {0: None, 1: None, 2: None, 3: "max_line_length"}
    assert {row["component"] for row in decided} == {"ours/assembly", "ours/python"}
