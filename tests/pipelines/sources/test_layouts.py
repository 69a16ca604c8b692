"""Each kind of source becomes the same rows."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import InputError
from pipelines.corpus.source_table import Source
from tests.corpora import stack_row, write_pile, write_stack, write_starcoderdata


def rows(source: Source, path: Path, input_path: str = "python/a.parquet"):
    result = []
    for unit in source.layout.cut(str(path)):
        for part in source.layout.read(str(path), input_path, unit):
            result += part.rows.to_pylist()
    return result


def source(kind: str, **fields: object) -> Source:
    return Source.model_validate({"name": "a", "kind": kind, "files": "*", **fields})


def test_a_row_of_the_stack_has_all_its_repositories_and_licenses(tmp_path: Path) -> None:
    row = stack_row("x = 1\n", ["MIT"], repository="a/b", stars=7, path="x.py")
    row |= {"max_forks_repo_name": "c/d", "max_forks_repo_licenses": ["GPL-3.0-only", "MIT"]}
    write_stack(tmp_path / "a.parquet", [row, stack_row(None, None)])
    first, second = rows(source("the-stack"), tmp_path / "a.parquet")
    assert first == {
        "input_row": 0,
        "component": "python",
        "repositories": ["a/b", "c/d"],
        "path": "x.py",
        "licenses": ["MIT", "GPL-3.0-only"],
        "stars": 7,
        "fault": None,
        "text": "x = 1\n",
        "prefix": None,
        "tags": None,
    }
    assert (second["fault"], second["licenses"], second["stars"]) == ("null_text", None, None)


def test_the_stack_accepts_bigquerys_form_of_lists(tmp_path: Path) -> None:
    nested = pa.array([{"list": [{"item": "MIT"}]}])
    table = pa.Table.from_pylist([stack_row("x", ["MIT"])])
    for group in ("stars", "issues", "forks"):
        column = f"max_{group}_repo_licenses"
        table = table.set_column(table.schema.get_field_index(column), column, nested)
    pq.write_table(table, tmp_path / "a.parquet")
    assert rows(source("the-stack"), tmp_path / "a.parquet")[0]["licenses"] == ["MIT"]


def test_the_prefix_of_starcoderdata_becomes_metadata(tmp_path: Path) -> None:
    texts = [("<reponame>o/r<gh_stars>0\nx = 1\n", "o/r"), ("y = 2\n", "p/q")]
    write_starcoderdata(tmp_path / "a.parquet", texts)
    first, second = rows(source("starcoderdata"), tmp_path / "a.parquet")
    assert (first["text"], second["text"]) == ("x = 1\n", "y = 2\n")
    assert (first["repositories"], second["repositories"]) == (["o/r"], ["p/q"])
    assert (first["component"], first["licenses"]) == ("python", None)


def test_sets_of_the_pile_become_components(tmp_path: Path) -> None:
    write_pile(tmp_path / "a.jsonl.zst", [("a", "Wikipedia (en)"), (["b", "c"], "Pile-CC")])
    result = rows(source("the-pile"), tmp_path / "a.jsonl.zst")
    assert [(row["component"], row["text"]) for row in result] == [
        ("wikipedia-en", "a"),
        ("pile-cc", "b\n\nc"),
    ]


@pytest.mark.parametrize("meta", [{"pile_set_name": "ArXiv"}, "{'pile_set_name': 'ArXiv'}"])
def test_meta_of_the_pile_may_be_a_repr(tmp_path: Path, meta: object) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "a", "meta": meta}) + "\n")
    assert rows(source("the-pile"), path)[0]["component"] == "arxiv"


OWN = {"text": "body", "repo": "r", "path": "p", "license": "l", "stars": "s", "component": "lang"}
RECORD = {"body": "x", "r": "o/r", "p": "a.c", "l": "MIT", "s": 3, "lang": "C++", "other": 1}
EXPECTED = {
    "input_row": 0,
    "component": "cpp",
    "repositories": ["o/r"],
    "path": "a.c",
    "licenses": ["MIT"],
    "stars": 3,
    "fault": None,
    "text": "x",
    "prefix": None,
    "tags": None,
}


def test_own_files_are_read_by_a_map_of_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(RECORD) + "\n")
    pq.write_table(pa.Table.from_pylist([RECORD]), tmp_path / "a.parquet")
    for kind in ("jsonl", "parquet"):
        assert rows(source(kind, columns=OWN), tmp_path / f"a.{kind}") == [EXPECTED]


def test_own_files_need_only_a_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "a.parquet")
    (row,) = rows(source("parquet", component="Notes"), tmp_path / "a.parquet")
    assert (row["component"], row["repositories"], row["licenses"]) == ("notes", [], None)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_missing_column_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"txt": "x"}\n')
    pq.write_table(pa.table({"txt": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"'text' is missing; it has txt"):
        source(kind).layout.cut(str(tmp_path / f"a.{kind}"))


def test_an_input_with_more_text_than_the_limit_becomes_several_parts(tmp_path: Path) -> None:
    texts = [f"{i:040d}" for i in range(10)]
    write_pile(tmp_path / "a.jsonl.zst", [(text, "Pile-CC") for text in texts])
    url = str(tmp_path / "a.jsonl.zst")
    parts = list(source("the-pile").layout.read(url, "a", (0, None), max_bytes=100))
    assert [part.last for part in parts] == [False, False, False, True]
    assert [part.number for part in parts] == [0, 1, 2, 3]
    assert [text for part in parts for text in part.rows["text"].to_pylist()] == texts


def test_an_empty_input_is_one_empty_part(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    (part,) = source("jsonl").layout.read(str(tmp_path / "a.jsonl"), "a", (0, None))
    assert part.last and part.rows.num_rows == 0


@pytest.mark.parametrize(
    ("kind", "missing", "header", "redacts", "code"),
    [
        ("the-stack", "reject", "veto", True, {"python", "markdown", "web", "github"}),
        ("the-stack-v2", "reject", "veto", True, {"python", "markdown", "web", "github"}),
        ("the-stack-v3", "reject", "veto", False, {"python", "markdown", "web", "github"}),
        ("starcoderdata", "accept", "veto", False, {"python", "markdown", "web", "github"}),
        ("the-pile", "reject", "off", False, {"github"}),
        ("parquet", "reject", "veto", False, {"python"}),
        ("jsonl", "reject", "veto", False, {"python"}),
    ],
)
def test_a_layout_has_its_defaults(
    kind: str, missing: str, header: str, redacts: bool, code: set[str]
) -> None:
    table = source(kind)
    assert (table.missing, table.header, table.redacts) == (missing, header, redacts)
    components = ("python", "markdown", "web", "github")
    assert {name for name in components if table.layout.genre(name) == "code"} == code


def test_only_sets_of_the_pile_have_a_license_of_their_own() -> None:
    layout = source("the-pile").layout
    finding = layout.component_license("wikipedia-en")
    assert finding is not None and finding.judgment == "allow"
    assert layout.component_licenses_digest()
    assert source("the-stack").layout.component_license("wikipedia-en") is None


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_texts_are_found_again_by_their_row_numbers(tmp_path: Path, kind: str) -> None:
    texts = [f"text {number}" for number in range(6)]
    (tmp_path / "a.jsonl").write_text("\n\n".join(json.dumps({"text": text}) for text in texts))
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=2)
    url = str(tmp_path / f"a.{kind}")
    expected = {1: "text 1", 4: "text 4"}
    assert source(kind).layout.texts(url, f"a.{kind}", {4, 1, 99}) == expected
