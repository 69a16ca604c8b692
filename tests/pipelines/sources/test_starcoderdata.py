"""The subsets of StarCoderData: their columns, repositories, tags and genres."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import InputError
from pipelines.corpus.loading import load_corpus
from pipelines.inspect.plan import plan
from pipelines.sources.starcoderdata import StarCoderData

ISSUE = "<issue_start>Title: t\nusername_0: c<issue_comment>username_1: d"
EVENTS = [
    {"action": "opened", "author": "a", "text": "c", "comment_id": None},
    {"action": "created", "author": "b", "text": "d", "comment_id": 7.0},
]
SUBSETS: dict[str, dict[str, Any]] = {
    "git-commits-cleaned": {
        "commit": "0" * 40,
        "repos": "a/b, c/d",
        "old_file": "old.py",
        "new_file": "new.py",
        "content": "<commit_before>x<commit_msg>m<commit_after>y",
    },
    "github-issues-filtered-structured": {
        "repo": "b",
        "org": "a",
        "issue_id": 1,
        "events": EVENTS,
        "content": ISSUE,
    },
    "jupyter-structured-clean-dedup": {
        "content": "<jupyter_start><jupyter_text>t<jupyter_code>c<jupyter_output>o",
        "license": "MIT",
        "path": "a/b.ipynb",
        "repo_name": "a/b.ipynb",
        "chain_length": 1,
    },
    "jupyter-scripts-dedup-filtered": {"content": "# <reponame>a/b\nx = 1\n", "id": 3},
    "python": {
        "max_stars_repo_path": "a.py",
        "max_stars_repo_name": "a/b",
        "max_stars_count": 7,
        "content": "<reponame>a/b<gh_stars>1-10\nx = 1\n",
    },
}


def write(path: Path, subset: str, **changes: Any) -> str:
    url = path / subset / "a.parquet"
    url.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{**SUBSETS[subset], **changes}]), url)
    return str(url)


def row(path: Path, subset: str, **changes: Any) -> dict[str, Any]:
    layout, url = StarCoderData(), write(path, subset, **changes)
    (unit,) = layout.cut(url)
    (part,) = layout.read(url, f"{subset}/a.parquet", unit)
    (only,) = part.rows.to_pylist()
    assert only["component"] == subset
    assert layout.texts(url, f"{subset}/a.parquet", {0}) == {0: only["text"]}
    return dict(only)


@pytest.mark.parametrize(
    ("subset", "repositories", "name", "licenses", "tags"),
    [
        ("git-commits-cleaned", ["a/b", "c/d"], "new.py", None, [0, 16, 29]),
        ("github-issues-filtered-structured", ["a/b"], "", None, [0, 35]),
        ("jupyter-structured-clean-dedup", [], "a/b.ipynb", ["MIT"], [0, 15, 30, 45]),
        ("jupyter-scripts-dedup-filtered", [], "", None, None),
        ("python", ["a/b"], "a.py", None, None),
    ],
)
def test_each_subset_is_read_by_its_columns(
    tmp_path: Path,
    subset: str,
    repositories: list[str],
    name: str,
    licenses: list[str] | None,
    tags: list[int] | None,
) -> None:
    only = row(tmp_path, subset)
    result = (only["repositories"], only["path"], only["licenses"], only["tags"])
    assert result == (repositories, name, licenses, tags)
    assert only["prefix"] == (
        ["<reponame>", "a/b", "<gh_stars>", "1-10\n"] * (subset == "python") or None
    )
    assert only["text"] == ("x = 1\n" if subset == "python" else SUBSETS[subset]["content"])


@pytest.mark.parametrize(
    ("subset", "changes"),
    [
        ("github-issues-filtered-structured", {"events": []}),
        ("github-issues-filtered-structured", {"events": None}),
        ("git-commits-cleaned", {"commit": ""}),
        ("git-commits-cleaned", {"content": "a program that prints <commit_msg>"}),
        ("jupyter-structured-clean-dedup", {"chain_length": 0}),
        ("jupyter-structured-clean-dedup", {"chain_length": None}),
        ("jupyter-structured-clean-dedup", {"content": "<jupyter_start>"}),
    ],
)
def test_tags_that_no_column_confirms_are_text(
    tmp_path: Path, subset: str, changes: dict[str, Any]
) -> None:
    only = row(tmp_path, subset, **changes)
    assert only["tags"] is None and only["fault"] is None
    assert only["text"] == changes.get("content", SUBSETS[subset]["content"])


@pytest.mark.parametrize(
    ("content", "changes", "path", "tags"),
    [
        ("<commit_before><commit_msg>m<commit_after>y", {"old_file": None}, "new.py", [0, 15, 28]),
        ("<commit_before>x<commit_msg>m<commit_after>", {"new_file": None}, "old.py", [0, 16, 29]),
        ("<commit_before><commit_msg>m<commit_after>", {}, "new.py", [0, 15, 28]),
    ],
)
def test_a_commit_may_have_an_empty_side(
    tmp_path: Path, content: str, changes: dict[str, Any], path: str, tags: list[int]
) -> None:
    only = row(tmp_path, "git-commits-cleaned", content=content, **changes)
    assert (only["path"], only["tags"], only["fault"]) == (path, tags, None)


def test_a_text_that_is_null_is_a_fault(tmp_path: Path) -> None:
    rows = [SUBSETS["git-commits-cleaned"], SUBSETS["git-commits-cleaned"] | {"content": None}]
    url = tmp_path / "git-commits-cleaned/a.parquet"
    url.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), url)
    (part,) = StarCoderData().read(str(url), "git-commits-cleaned/a.parquet", (0, 1))
    assert part.rows["fault"].to_pylist() == [None, "null_text"]
    assert part.rows["tags"].to_pylist() == [[0, 16, 29], None]


def test_only_code_has_filters_of_code_and_headers() -> None:
    layout = StarCoderData()
    code = {name: layout.genre(name) == "code" for name in SUBSETS}
    assert code == {name: layout.has_header(name) for name in SUBSETS}
    assert [name for name in SUBSETS if code[name]] == ["jupyter-scripts-dedup-filtered", "python"]


def test_code_needs_all_columns_of_its_metadata(tmp_path: Path) -> None:
    url = write(tmp_path, "python")
    pq.write_table(pq.read_table(url).drop_columns(["max_stars_count"]), url)
    with pytest.raises(InputError, match="'max_stars_count' is missing"):
        StarCoderData().cut(url)


def test_the_plan_names_the_fields_that_no_column_gives(tmp_path: Path) -> None:
    for subset in SUBSETS:
        write(tmp_path / "star", subset)
    url = tmp_path / "star/github-issues-filtered-structured/a.parquet"
    pq.write_table(pq.read_table(url).drop_columns(["events", "repo", "org"]), url)
    (tmp_path / "CORPUS.toml").write_text(
        '[[source]]\nname = "star"\nkind = "starcoderdata"\nfiles = "star/*/*.parquet"\n'
    )
    planned = plan(load_corpus(str(tmp_path / "CORPUS.toml")))["star"]
    assert planned["missing"] is None and planned["not_read"] == []
    assert planned["remarks"] == [
        "github-issues-filtered-structured: no column gives repository, events",
        "jupyter-scripts-dedup-filtered: no column gives repository, path, stars",
    ]
