"""A small corpus gives the output whose digests same_bytes.json has.

`python -m tests.pipelines.test_same_bytes` writes same_bytes.json again. A change of "contents" is
a change of the output for the same input: its commit message says which rows differ and why.
"""

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.preparation import Preparation, load_preparation
from tests.pipelines.small_corpus import prepare_small_corpus

EXPECTED = Path(__file__).with_name("same_bytes.json")


def file_digests(preparation: Preparation) -> dict[str, str]:
    """Return path -> SHA-256 of each file of documents/, decisions/, duplicates/ and shards/."""
    root = Path(preparation.output)
    folders = ("license_filter/documents", "license_filter/decisions", "dedup/duplicates")
    shards = str(Path(preparation.tokenize).relative_to(root) / "shards")
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (*folders, shards)
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def content_digests(preparation: Preparation) -> dict[str, str]:
    """Return the digest of the rows or tar payloads of each folder, without names of files."""
    license_filter, dedup = Path(preparation.license_filter), Path(preparation.dedup)
    planned = _rows(Path(preparation.output) / "plan.parquet")
    parts = [row["name"] for row in _rows(dedup / "parts.parquet")]
    decided = [name for row in planned if not row["error"] for name in [row["part"]]]
    shards = sorted(
        _rows(Path(preparation.tokenize) / "shards.parquet"),
        key=lambda row: (row["heldout"], row["component"], row["shard"]),
    )
    return {
        "decisions": _digest(
            [_rows(license_filter / "decisions" / f"{name}.parquet") for name in decided]
        ),
        "documents": _digest(
            [_rows(license_filter / "documents" / f"{name}.parquet") for name in parts]
        ),
        "duplicates": _digest([_rows(dedup / "duplicates" / f"{name}.parquet") for name in parts]),
        "shards": _digest(
            [
                [
                    row["component"],
                    row["heldout"],
                    *_payloads(Path(preparation.tokenize) / row["shard"]),
                ]
                for row in shards
            ]
        ),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _payloads(path: Path) -> list[tuple[str, str]]:
    """Return the kind and the SHA-256 of each member of a shard, in order."""
    with tarfile.open(path) as tar:
        return [
            (member.name.partition(".")[2], hashlib.sha256(data.read()).hexdigest())
            for member in tar
            if (data := tar.extractfile(member))
        ]


def _digest(value: object) -> str:
    text = json.dumps(_without_names(value), default=lambda data: data.hex())
    return hashlib.sha256(text.encode()).hexdigest()


def _without_names(value: Any) -> Any:
    """Return rows as lists of values: a column may get another name."""
    if isinstance(value, dict):
        value = list(value.values())
    return [_without_names(item) for item in value] if isinstance(value, list | tuple) else value


def measure(preparation: Preparation) -> dict[str, dict[str, str]]:
    """Return both kinds of digests."""
    return {"contents": content_digests(preparation), "files": file_digests(preparation)}


def test_the_small_corpus_gives_the_same_output(corpus_prepared_once: Path) -> None:
    preparation = load_preparation(str(corpus_prepared_once / "CORPUS.toml"))
    expected, measured = json.loads(EXPECTED.read_text()), measure(preparation)
    wanted = "if the change is meant, run python -m tests.pipelines.test_same_bytes"
    assert measured["contents"] == expected["contents"], wanted
    assert measured["files"] == expected["files"], wanted


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        digests = measure(prepare_small_corpus(Path(made)))
    EXPECTED.write_text(json.dumps(digests, indent=2) + "\n")
