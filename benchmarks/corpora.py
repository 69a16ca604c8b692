"""Write corpora of any size as the license filter writes them, for benchmarks of later jobs."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.dedup.minhash import load_profile
from filters.dedup.union_find import U64
from filters.document_ids import as_binary, document_ids
from manifests.lineage.manifest import Manifest, Totals, save_manifest
from manifests.lineage.parts_table import PARTS
from manifests.lineage.receipts import Receipt, file_record, save_receipt
from manifests.schemas import DOCUMENTS
from pipelines.dedup import parts, signatures

KEY = 2305
"""The key of every random number in this module."""

PROFILE = "stack-v1.2"

PART, ROW_GROUP = 256_000_000, 32_000_000
"""Most bytes of text in a part and in a row group, as in the license filter."""

SYNTHETIC = 50_000
"""Synthetic documents of a part: 256 MB of documents of 5 kB."""

CORPUS = """
[[source]]
name = "made"
kind = "the-pile"
files = "none"
[dedup]
profile = "{profile}"
max_removed = 1.0
"""


Rows = list[dict[str, Any]]


def write_texts(output: Path, batches: Iterable[Any]) -> list[Rows]:
    """Write Arrow strings as documents/, with every other file that dedup reads.

    Returns:
        For each batch, its rows of parts.parquet.
    """
    rows: list[Rows] = []
    for texts in batches:
        parts = -(-texts.nbytes // PART)
        item, first = -(-len(texts) // parts), sum(map(len, rows))
        tables = [_documents(texts[i * item : (i + 1) * item], first + i) for i in range(parts)]
        rows.append([_write_part(output, first + i, table) for i, table in enumerate(tables)])
    write_table(output, [row for of_batch in rows for row in of_batch])
    return rows


def write_table(output: Path, rows: Rows) -> None:
    """Write parts.parquet, a manifest and CORPUS.toml of these parts alone."""
    directory = output / "license_filter"
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=PARTS), directory / "parts.parquet")
    name = hashlib.sha256(repr(rows).encode()).hexdigest()
    manifest = Manifest(step="license_filter", digest=name, config={}, totals=Totals(), funnel={})
    save_manifest(str(directory), manifest)
    (output / "CORPUS.toml").write_text(CORPUS.format(profile=PROFILE))


def _documents(texts: Any, part: int) -> pa.Table:
    paths = [f"{part}/{row}" for row in range(len(texts))]
    ids = document_ids("made", [[]] * len(texts), paths, texts)
    return _table(ids, texts, paths, pc.binary_length(texts))


def _table(ids: Any, texts: Any, paths: Sequence[str], sizes: Any) -> pa.Table:
    """Return rows of documents/ that differ only in their texts and ids."""
    constant: dict[str, Any] = {
        "source": "made",
        "component": "made/python",
        "repositories": [],
        "license": "MIT",
        "license_layer": "repository",
        "stars": None,
        "heldout": False,
    }
    same = np.zeros(len(ids), np.int64)
    columns = {
        name: pa.array([value], DOCUMENTS.field(name).type).take(pa.array(same))
        for name, value in constant.items()
    }
    columns |= {"id": ids, "path": pa.array(paths), "bytes": pa.array(sizes), "text": texts}
    return pa.table([columns[name] for name in DOCUMENTS.names], schema=DOCUMENTS)


def _write_part(output: Path, number: int, documents: pa.Table) -> dict[str, Any]:
    directory = output / "license_filter"
    size = int(np.sum(documents["bytes"]))
    name = hashlib.sha256(f"{number} {size} {documents.num_rows}".encode()).hexdigest()[:32]
    path = directory / "documents" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = -(-documents.num_rows // max(1, -(-size // ROW_GROUP)))
    pq.write_table(documents, path, compression="zstd", row_group_size=rows)
    return {
        "part": number,
        "name": name,
        "source": "made",
        "input": f"{number}.parquet",
        "components": ["made/python"],
        "documents": documents.num_rows,
        "bytes": size,
        "sha256": file_record(str(directory), f"documents/{name}.parquet").sha256,
    }


Bands = Callable[[U64, int], U64]
"""(numbers of documents, band) -> numbers that stand for the rows of the band."""


def write_synthetic(output: Path, documents: int, bands: Bands) -> None:
    """Write signatures of synthetic documents with empty texts, with receipts of finished parts."""
    rows: Rows = []
    for start in range(0, documents, SYNTHETIC):
        numbers = np.arange(start, min(documents, start + SYNTHETIC), dtype=np.uint64)
        empty = pa.array([""], pa.large_string()).take(pa.array(np.zeros(len(numbers), np.int64)))
        ids = as_binary(np.column_stack([_mixed(numbers), numbers]))
        table = _table(ids, empty, [""] * len(numbers), np.zeros(len(numbers), np.int64))
        rows.append(_write_part(output, len(rows), table))
        _write_signatures(output / "dedup", rows[-1], ids, numbers, bands)
    write_table(output, rows)


def _write_signatures(
    directory: Path, row: dict[str, Any], ids: Any, numbers: U64, bands: Bands
) -> None:
    profile, count = load_profile(PROFILE), len(numbers)
    name = parts.signature_name(cast(parts.DocumentsPart, row), profile, "all")
    path = parts.signature_path(name)
    words = np.arange(profile.sketch_words, dtype=np.uint64)
    hashes = {
        signatures.band_column(band): _mixed(bands(numbers, band) ^ np.uint64(band << 56))
        for band in range(profile.banding[0])
    }
    table = pa.table(
        {
            "id": ids,
            "scope": np.zeros(count, np.uint64),
            "verdict": np.zeros(count, np.uint8),
            "heldout": np.zeros(count, bool),
            "stars": np.zeros(count, np.int64),
            "exact": ids,
            "normalized": ids,
            "has_signature": np.ones(count, bool),
            "sketch": as_binary(
                _mixed(originals(numbers)[:, None] * np.uint64(len(words)) + words)
            ),
            **hashes,
        }
    )
    (directory / "signatures").mkdir(parents=True, exist_ok=True)
    columns = signatures.schema(profile)
    # Row groups of 32 MB of text, as in documents/.
    with pq.ParquetWriter(directory / path, columns, compression="none", use_dictionary=False) as w:
        w.write_table(table.cast(columns), row_group_size=6_400)
    files = {path: file_record(str(directory), path)}
    counts: dict[str, int | dict[str, int]] = {"documents": count}
    receipt = Receipt(
        name=name, step=parts.SIGNATURES, digest=profile.digest, files=files, counts=counts
    )
    save_receipt(str(directory), receipt)


def originals(numbers: U64) -> U64:
    """Return the original of each document: four in ten copy one of a fifth as many documents."""
    drawn = _mixed(numbers + np.uint64(KEY))
    copies = drawn % np.uint64(10) < 4
    return np.where(
        copies, drawn // np.uint64(10) % (numbers // np.uint64(5) + np.uint64(1)), numbers
    )


def usual(numbers: U64, band: int) -> U64:
    """Return band numbers: a copy shares six in ten of its bands with the original."""
    own = _mixed(numbers * np.uint64(64) + np.uint64(band)) % np.uint64(10) < 4
    return np.where(own, numbers, originals(numbers))


def skewed(numbers: U64, band: int) -> U64:
    """Return band numbers: half of all documents agree in every band, as copies of a license do."""
    return np.where(_mixed(numbers) % np.uint64(2) == 0, np.uint64(0), usual(numbers, band))


def _mixed(values: npt.NDArray[np.uint64]) -> U64:
    """Return SplitMix64 of numbers, as `splitmix.draw` does."""
    values = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
