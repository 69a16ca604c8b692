"""Texts of rejected rows are read from inputs that are unchanged."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from manifests.lineage.chain import Chain, Link
from manifests.lineage.manifest import Manifest, Totals
from manifests.schemas import PLAN
from pipelines.inspect.originals import InputRow, texts
from pipelines.sources.own import OwnJsonLines
from tests.corpora import stack_row, write_stack, write_starcoderdata

TEXTS = ["first\n", "zweite Zeile: größer\n", "third\n", "fourth\n"]


def chain(directory: Path, source: dict[str, Any], path: Path) -> Chain:
    """Write a plan with one input, and return the chain of a license_filter beside it."""
    row = {
        "source": source["name"],
        "input": path.name,
        "url": str(path),
        "start": 0,
        "stop": None,
        "bytes": path.stat().st_size,
        "version": str(path.stat().st_mtime_ns),
        "step": "",
        "part": "",
        "error": None,
        "heldout": None,
    }
    pq.write_table(pa.Table.from_pylist([row], schema=PLAN), directory / "plan.parquet")
    manifest = Manifest(
        step="license_filter",
        digest="0" * 64,
        config={"source": [source]},
        totals=Totals(),
        funnel={},
    )
    return Chain((Link(str(directory / "license_filter"), manifest, "1" * 64),))


def input_row(path: Path, row: int, text: str | None = None) -> InputRow:
    return InputRow("ours", path.name, row, len((TEXTS[row] if text is None else text).encode()))


def test_texts_are_read_from_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_stack(path, [stack_row(text, ["MIT"]) for text in TEXTS], group=2)
    selected = chain(tmp_path, {"name": "ours", "files": "*", "kind": "the-stack"}, path)
    wanted = [input_row(path, row) for row in (3, 1)]
    assert texts(selected, wanted) == {item: TEXTS[item.row] for item in wanted}


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("a.jsonl", bytes),
        ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_texts_are_read_from_lines_that_are_not_blank(
    tmp_path: Path, name: str, compress: Any
) -> None:
    lines = [json.dumps({"body": text}) for text in TEXTS]
    lines[1:1] = ["", "  "]
    lines[4] = json.dumps({"body": ["third", "list"]})
    path = tmp_path / name
    path.write_bytes(compress("\n".join(lines).encode()))
    source = {"name": "ours", "files": "*", "kind": "jsonl", "columns": {"text": "body"}}
    wanted = [input_row(path, 1), input_row(path, 2, "third\n\nlist")]
    result = texts(chain(tmp_path, source, path), wanted)
    assert result == {wanted[0]: TEXTS[1], wanted[1]: "third\n\nlist"}


def test_a_text_of_starcoderdata_has_no_prefix(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_starcoderdata(path, [("<reponame>größer/x\n" + TEXTS[1], "größer/x")])
    selected = chain(tmp_path, {"name": "ours", "files": "*", "kind": "starcoderdata"}, path)
    wanted = input_row(path, 0, TEXTS[1])
    assert texts(selected, [wanted]) == {wanted: TEXTS[1]}


def test_a_changed_or_missing_input_gives_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    selected = chain(tmp_path, {"name": "ours", "files": "*", "kind": "jsonl"}, path)
    wanted = input_row(path, 2)
    assert texts(selected, [wanted]) == {wanted: TEXTS[2]}
    assert texts(selected, [InputRow("ours", "other.jsonl", 0, 3), input_row(path, 0, "")]) == {}
    assert (
        texts(selected, [InputRow("ours", path.name, 99, 3), InputRow("ours", path.name, 0, 999)])
        == {}
    )
    path.write_text(path.read_text() + "{}\n")
    assert texts(selected, [wanted]) == {}
    path.unlink()
    assert texts(selected, [wanted]) == {}
    (tmp_path / "plan.parquet").unlink()
    assert texts(selected, [wanted]) == {}


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.zst", "a.jsonl.gz", "a.jsonl"])
def test_an_unreadable_input_gives_no_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nothing of the kind")
    selected = chain(tmp_path, {"name": "ours", "files": "*", "kind": "jsonl"}, path)
    assert texts(selected, [input_row(path, 0)]) == {}


def test_a_row_far_from_the_start_of_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    assert OwnJsonLines().texts(str(path), "a.jsonl", {0, 3}, max_bytes=40) == {0: TEXTS[0]}
