"""Results that finished parts keep change only with the version that the names of parts hold.

versions.json has digests of the scores of each document filter, of the rows of each source layout,
of redacted texts and of the statements of headers, one for each document, with the version of each.
A changed result with the same version would be mixed with the results of finished parts. The
command `python -m tests.pipelines.test_versions` writes versions.json again. It refuses a changed
result whose version was not raised. New documents go to the end of a list, so that the digests of
the others stay.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters import redaction
from filters.quality import registry
from filters.quality.batch import Batch, Genre
from filters.scancode import veto
from pipelines.corpus.source_table import Source
from pipelines.sources.registry import LAYOUTS
from tests.corpora import code, prose, stack_row, write_pile, write_stack, write_starcoderdata
from tests.pipelines.sources.stack_v3 import ROWS as STACK_V3
from tests.pipelines.sources.stack_v3 import write_file as write_stack_v3

STORED = Path(__file__).with_name("versions.json")

COMMAND = "python -m tests.pipelines.test_versions"

RAISED = {
    "filter": "VERSION in filters/quality/registry.py",
    "layout": "`version` of the layout's class",
    "redaction": "VERSION in filters/redaction.py",
    "headers": "RULES in filters/scancode/veto.py",
}
"""First word of the name of a result -> the version that a change of the result raises."""

Item = dict[str, Any]
"""The version of a result, and its digests, joined by spaces."""

LICENSED = "# Copyright 2020 A\n# Licensed under the MIT License; see <http://a.org/mit>\nx = 1\n"
PRIVATE = "ask ann@example.org at 8.7.6.55, key = 'AKIAABCDEFGHIJKLMNOP'\n"

DOCUMENTS: tuple[tuple[Genre, str, str, str | None], ...] = (
    ("code", "python", "a.py", code(1) + '"""A docstring."""\n# a comment\n' * 5),
    ("code", "python", "b.txt", LICENSED),
    ("code", "python", "", ""),
    ("code", "python", "c.py", None),
    ("code", "javascript", "lib/d.min.js", "var a=1;" * 400),
    ("code", "java", "E.java", "// This file was automatically generated\nclass E {}\n"),
    ("code", "c", "node_modules/f.c", 'char f[] = "' + "aGVsbG8K" * 300 + '";\n'),
    ("code", "c", "g.h", "0x00, 0x7f, " * 200 + "\x00\x01\ufffd"),
    ("code", "json", "h.json", json.dumps({"names": [prose(2, 3)] * 20})),
    ("code", "yaml", "i.yaml", "- 1\n- 22\n"),
    ("code", "html", "j.html", f"<html><script>x()</script><p>{prose(3, 9)}</p></html>"),
    ("code", "text", "k.xml", '<?xml version="1.0"?>\n<a>\u00e9\u4e2d\U0001f600</a>\n'),
    ("code", "python", "l.py", "\\u00e9" * 300 + "\n\n\n   \n" + PRIVATE),
    ("code", "ada", "m.ads", "1, 2, 3, 44, 5;\n" * 40),
    ("code", "ada", "n.ads", code(5)),
    ("code", "c", "o.c", "\x00\x01" * 90),
    ("code", "json", "p.json", json.dumps({"text": prose(6, 120)})),
    ("code", "html", "q.html", "<script>" + "x();" * 400 + "</script><p>a</p>"),
    ("prose", "pile-cc", "", "too short"),
    ("prose", "pile-cc", "", "the word " * 50_001),
    ("prose", "pile-cc", "", "antidisestablishmentarianism " * 60),
    ("prose", "pile-cc", "", prose(4)),
    ("prose", "pile-cc", "", "- a bullet\n* another # # ...\n\u2022 the end\u2026\n" * 30),
    ("prose", "wikipedia-en", "", "The of and to be that have with. " * 12),
)
"""Genre, component, path and text of documents. Each filter keeps some and rejects some; for a new
filter one more may be needed at the end."""

RECORDS = (
    {"body": "x", "r": "o/r", "p": "a.c", "l": "MIT", "s": 3, "lang": "C++", "topic": "Web"},
    {"body": "y", "r": ["a/b", "c/d"], "p": None, "l": ["MIT", "ISC"], "s": 0, "lang": None},
)
OWN = {"text": "body", "repo": "r", "path": "p", "license": "l", "stars": "s", "component": "lang"}
V2_ROWS: tuple[dict[str, Any], ...] = (
    {
        "content": "x = 1\n",
        "language": "C++",
        "path": "/src/a.cpp",
        "repo_name": "o/r",
        "detected_licenses": ["MIT", "LicenseRef-scancode-generic-cla"],
        "license_type": "permissive",
        "gha_license_id": "Apache-2.0",
        "star_events_count": 7,
    },
    {"content": None, "language": None, "detected_licenses": [], "license_type": "no_license"},
)


def write_json_lines(path: Path, records: tuple[dict[str, Any], ...]) -> None:
    """Write records, a line that is not JSON, and a line that is not UTF-8."""
    lines = [json.dumps(record).encode() for record in records]
    path.write_bytes(b"\n".join([*lines, b"{", b'{"body": "\xff"}', b""]))


def write_rows(path: Path, rows: tuple[dict[str, Any], ...]) -> None:
    """Write rows as a Parquet file with the columns of the first row."""
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


INPUTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "the-stack": (
        "a.parquet",
        lambda path: write_stack(
            path,
            [
                stack_row("x = 1\n", ["MIT"], repository="a/b", stars=7, path="x.py")
                | {"max_forks_repo_name": "c/d", "max_forks_repo_licenses": ["ISC", "MIT"]},
                stack_row(None, None),
            ],
        ),
    ),
    "the-stack-v2": ("a.parquet", lambda path: write_rows(path, V2_ROWS)),
    "the-stack-v3": (
        "a.parquet",
        lambda path: write_stack_v3(path, STACK_V3),
    ),
    "starcoderdata": (
        "a.parquet",
        lambda path: write_starcoderdata(
            path, [("<reponame>o/r<filename>a.py<gh_stars>0\nx\n", "o/r"), ("y\n", "p/q")]
        ),
    ),
    "the-pile": (
        "a.jsonl.zst",
        lambda path: write_pile(path, [("a", "Wikipedia (en)"), (["b", "c"], "Pile-CC")]),
    ),
    "parquet": ("a.parquet", lambda path: write_rows(path, (RECORDS[0],))),
    "jsonl": ("a.jsonl", lambda path: write_json_lines(path, RECORDS)),
}
"""Kind of a source -> name of an input, and the function that writes the input."""


def result(version: int, values: Iterable[object]) -> Item:
    """Return a result with a digest of each value."""
    texts = (json.dumps(value, default=repr).encode() for value in values)
    return {"version": version, "digests": " ".join(hashlib.md5(t).hexdigest()[:8] for t in texts)}


def filter_scores() -> Iterator[tuple[str, list[float], list[bool]]]:
    """Yield each filter with its scores, and with what its default threshold keeps."""
    genres, components, paths, texts = map(list, zip(*DOCUMENTS, strict=True))
    batch = Batch(genres, components, paths, pa.array(texts, pa.large_string()))
    thresholds = registry.settings(dict.fromkeys(registry.FILTERS, True))
    for name, scores in registry.apply(thresholds, batch).scores.items():
        kept = registry.FILTERS[name].keep(scores, thresholds[name]).tolist()
        yield name, scores.tolist(), kept


def filter_items() -> Iterator[tuple[str, Item]]:
    """Yield the scores of each filter and what it keeps."""
    for name, scores, kept in filter_scores():
        values = [(f"{score:.9g}", keep) for score, keep in zip(scores, kept, strict=True)]
        yield f"filter {name}", result(registry.VERSION, values)


def layout_items(directory: Path) -> Iterator[tuple[str, Item]]:
    """Yield the rows of the input of each layout."""
    for kind, (name, write) in INPUTS.items():
        (directory / kind).mkdir()
        path = directory / kind / name
        write(path)
        own = {"columns": OWN, "partition_by": ["topic"]} if LAYOUTS[kind].maps_columns else {}
        layout = Source.model_validate({"name": "a", "kind": kind, "files": "*", **own}).layout
        url = str(path)
        parts = (part for u in layout.cut(url) for part in layout.read(url, f"python/{name}", u))
        rows = [row for part in parts for row in part.rows.to_pylist()]
        yield f"layout {kind}", result(layout.version, rows)


def measure(directory: Path) -> dict[str, Item]:
    """Return all results; inputs are written below `directory`."""
    texts = pa.array([text for *_, text in DOCUMENTS], pa.large_string())
    redacted, statements = redaction.redact(texts), dict(veto.statements(texts))
    return {
        **dict(filter_items()),
        **dict(layout_items(directory)),
        "redaction": result(redaction.VERSION, redacted.texts.to_pylist()),
        "headers": result(veto.RULES, [statements.get(row) for row in range(len(texts))]),
    }


def faults(stored: dict[str, Item], measured: dict[str, Item]) -> list[str]:
    """Return a sentence for each result that changed while its version was not raised."""
    return [
        f"{name}: its results changed: raise {RAISED[name.split()[0]]}, so that no finished part "
        f"is used again, and write {STORED.name} with {COMMAND}"
        for name, item in measured.items()
        if name in stored and not item["digests"].startswith(stored[name]["digests"])
        if item["version"] <= stored[name]["version"]
    ]


def test_no_result_changed_without_its_version(tmp_path: Path) -> None:
    stored, measured = json.loads(STORED.read_text()), measure(tmp_path)
    assert faults(stored, measured) == []
    assert measured == stored, f"versions were raised, or results are new: run {COMMAND}"


def test_every_filter_keeps_some_documents_and_rejects_some() -> None:
    one_sided = [name for name, _, kept in filter_scores() if len(set(kept)) < 2]
    assert one_sided == ["html_parsed"], (  # each version of Python rejects other pages
        "DOCUMENTS needs one more document at its end, which the filter rejects (or keeps)"
    )


@pytest.mark.parametrize(
    ("version", "digests", "is_fault"),
    [(1, "a c", True), (1, "a", True), (2, "a c", False), (1, "a b", False), (1, "a b c", False)],
)
def test_a_changed_result_needs_a_higher_version(
    version: int, digests: str, is_fault: bool
) -> None:
    measured = {"layout x": {"version": version, "digests": digests}}
    sentences = faults({"layout x": {"version": 1, "digests": "a b"}}, measured)
    assert [sentence.partition(":")[0] for sentence in sentences] == ["layout x"] * is_fault


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        items = measure(Path(made))
    if STORED.exists() and (sentences := faults(json.loads(STORED.read_text()), items)):
        sys.exit("\n".join(sentences))
    STORED.write_text(json.dumps(items, indent=2) + "\n")
