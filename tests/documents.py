"""documents/ of a finished license_filter, and a dedup of it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from filters.document_ids import document_ids
from manifests.lineage.manifest import Manifest, Totals, save_manifest
from manifests.lineage.parts_table import PARTS
from manifests.lineage.receipts import file_record
from manifests.schemas import DOCUMENTS
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.dedup_table import Dedup
from pipelines.corpus.source_table import Source
from pipelines.dedup import job
from pipelines.dedup.deduplication import Limits
from pipelines.preparation import Preparation
from pipelines.runtime.runners import Runner

Row = dict[str, Any]

ONE = Runner(options=("--direct_num_workers=1",))
TWO = Runner(options=("--direct_num_workers=2",))

ROW_GROUP = 1000
"""Documents of a row group."""


def document(text: str, source: str = "a", **fields: Any) -> Row:
    """Return a row of documents/ with the fields that were not given filled in."""
    row: Row = {
        "source": source,
        "component": f"{source}/python",
        "repositories": [],
        "path": "",
        "license": "MIT",
        "license_layer": "repository",
        "stars": None,
        "bytes": len(text.encode()),
        "heldout": False,
        "text": text,
    }
    return row | fields


def write_filtered(
    output: Path, parts: Sequence[Sequence[Row]], row_group: int = ROW_GROUP
) -> None:
    """Write parts, each of one source, as license_filter does; a part may have no row."""
    directory = output / "license_filter"
    table = [_write_part(directory, number, rows, row_group) for number, rows in enumerate(parts)]
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(table, schema=PARTS), directory / "parts.parquet")
    manifest = Manifest(
        step="license_filter", digest="1" * 64, config={}, totals=Totals(), funnel={}
    )
    save_manifest(str(directory), manifest)


def _write_part(directory: Path, number: int, rows: Sequence[Row], row_group: int) -> Row:
    source = rows[0]["source"] if rows else "a"
    texts = pa.array([row["text"] for row in rows], pa.large_string())
    names = [row["repositories"] for row in rows]
    ids = document_ids(source, names, [row["path"] for row in rows], texts).to_pylist()
    rows = [{"id": id, **row} for id, row in zip(ids, rows, strict=True)]
    digest = hashlib.sha256(f"{number}".encode() + b"".join(row["id"] for row in rows))
    name = digest.hexdigest()[:32]
    path = directory / "documents" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=DOCUMENTS)
    pq.write_table(table, path, compression="zstd", row_group_size=row_group)
    return {
        "part": number,
        "name": name,
        "source": source,
        "input": f"{number}.parquet",
        "components": sorted({row["component"] for row in rows}),
        "documents": len(rows),
        "bytes": sum(row["bytes"] for row in rows),
        "sha256": file_record(str(directory), f"documents/{name}.parquet").sha256,
    }


def deduplicate(
    output: Path,
    priorities: Mapping[str, int] | None = None,
    runner: Runner = ONE,
    limits: Limits | None = None,
    **settings: Any,
) -> Manifest:
    """Run dedup on the parts of `write_filtered`. By default a rule may remove everything."""
    sources = [
        Source(name=name, kind="the-pile", files="none", priority=priority)
        for name, priority in (priorities or {"a": 1}).items()
    ]
    corpus = Corpus(source=sources, dedup=Dedup(**({"max_removed": 1.0} | settings)))
    declared = corpus.model_dump(mode="json")
    return job.run(Preparation(corpus, declared, str(output), runner), limits)


def removed_rows(output: Path) -> dict[tuple[int, int], Row]:
    """Return (part, row) -> the row of duplicates/."""
    parts = pq.read_table(output / "dedup" / "parts.parquet").to_pylist()
    return {
        (part["part"], row["row"]): row
        for part in parts
        for row in pq.read_table(output / f"dedup/duplicates/{part['name']}.parquet").to_pylist()
    }


def kept_documents(output: Path) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Return (source, repositories, path, text) of the documents that are kept, sorted."""
    removed, documents = removed_rows(output), []
    parts = pq.read_table(output / "license_filter" / "parts.parquet").to_pylist()
    for part in parts:
        url = output / f"license_filter/documents/{part['name']}.parquet"
        for number, row in enumerate(pq.read_table(url).to_pylist()):
            if (part["part"], number) not in removed:
                names = tuple(row["repositories"])
                documents.append((row["source"], names, row["path"], row["text"]))
    return sorted(documents)
