"""The files of a dataset that follow from its shards, written again where they are wrong."""

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np

from manifests.dataset.dataset import tokenizer_of
from manifests.dataset.shard_index import ShardRow, read_shard_rows
from manifests.dataset.writer import energon_files_of
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.manifest import load_manifest
from manifests.shards import block_table
from manifests.shards.scan import scan_shard
from manifests.shards.writer import sample_index


def repair(directory: str) -> list[str]:
    """Write the block table, the .tar.idx and the files of .nv-meta/ again if they are wrong.

    The block table is rebuilt from the shards, every byte of which is read. The other files follow
    from the block table and from shards.parquet.

    Args:
        directory: of a dataset. Its manifest.json and shards.parquet must be in order.

    Returns:
        The paths of the files that were written, relative to the directory.

    Raises:
        DataError: manifest.json or shards.parquet is wrong, or the shards are not those of
            manifest.json; then nothing more is written.
    """
    manifest = load_manifest(directory)
    dtype = tokenizer_of(directory, manifest).dtype
    rows = read_shard_rows(directory, manifest)
    written = []
    if _sha256(directory, block_table.FILE) != manifest.tables.get(block_table.FILE):
        tables = (scan_shard(files.join(directory, row.shard), dtype) for row in rows)
        _write(directory, block_table.FILE, block_table.number_tables(tables), manifest.tables)
        written.append(block_table.FILE)
    for path, content in energon_files_of(rows).items():
        if _sha256(directory, path) != manifest.tables.get(path):
            _write(directory, path, content, manifest.tables)
            written.append(path)
    for path, content in _indexes(directory, rows, np.dtype(dtype).itemsize):
        if _sha256(directory, path) != hashlib.sha256(content).hexdigest():
            files.write_bytes(files.join(directory, path), content)
            written.append(path)
    return written


def _indexes(directory: str, rows: list[ShardRow], itemsize: int) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each .tar.idx."""
    table = block_table.read_blocks(files.join(directory, block_table.FILE))
    tables = block_table.cut(table, [row.blocks for row in rows])
    for row, blocks in zip(rows, tables, strict=True):
        yield row.index_path, sample_index(blocks, itemsize)


def _sha256(directory: str, path: str) -> str | None:
    """Return the SHA-256 of a file; None if it is missing."""
    url = files.join(directory, path)
    return files.sha256(url) if files.exists(url) else None


def _write(directory: str, path: str, content: bytes, recorded: Mapping[str, str]) -> None:
    """Write a file whose SHA-256 manifest.json records."""
    if hashlib.sha256(content).hexdigest() != recorded.get(path):
        raise DataError(f"{directory}: its shards do not give the {path} of manifest.json")
    files.write_bytes(files.join(directory, path), content)
