"""shards.parquet, and the tables of documents beside the shards: what is read without a shard."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from manifests.errors import DataError
from manifests.io import files
from manifests.io.parquet import parse_table
from manifests.lineage.manifest import HEX, Manifest
from manifests.lineage.receipts import Record
from manifests.schemas import schema_of

SHARD_TABLE = "shards.parquet"


class ShardRow(Record):
    """A row of shards.parquet."""

    shard: str
    """Path of the .tar relative to the dataset."""
    component: str
    """`source/slug`."""
    heldout: bool
    """Whether the shard is for validation."""
    bytes: int = Field(ge=0)
    blocks: int = Field(ge=0)
    documents: int = Field(ge=0)
    tokens: int = Field(ge=0)
    sha256: str = Field(pattern=HEX)
    """Of the .tar."""
    table_sha256: str = Field(pattern=HEX)
    """Of the .parquet beside the .tar."""

    @property
    def addresses(self) -> int:
        """Tokens and ends of documents."""
        return self.tokens + self.documents

    @property
    def index_path(self) -> str:
        """Path of the .tar.idx relative to the dataset."""
        return f"{self.shard}.idx"

    @property
    def table_path(self) -> str:
        """Path of the .parquet relative to the dataset."""
        return self.shard.removesuffix(".tar") + ".parquet"

    @property
    def files(self) -> list[str]:
        """The paths of the .tar, the .tar.idx and the .parquet, for a receipt."""
        return [self.shard, self.index_path, self.table_path]


SHARDS = schema_of(ShardRow)
"""Columns of shards.parquet."""


@dataclass(frozen=True)
class ShardEntry:
    """A shard, with what the shards before it hold.

    Attributes:
        row: its row of shards.parquet.
        number: of that row.
        first_block: its first row of the block table.
        first_document: documents of its component before it.
        first_address: addresses of its component before it.
    """

    row: ShardRow
    number: int
    first_block: int
    first_document: int
    first_address: int

    @property
    def component(self) -> tuple[str, bool]:
        """`source/slug`, and whether the shard is for validation."""
        return self.row.component, self.row.heldout


def read_shard_table(directory: str, manifest: Manifest) -> pa.Table:
    """Return shards.parquet, of the schema SHARDS.

    Raises:
        DataError: the file is missing, or its SHA-256 is not the one in manifest.json.
    """
    url, sha256 = files.join(directory, SHARD_TABLE), manifest.tables.get(SHARD_TABLE)
    table = _parse(url, sha256, "manifest.json")
    # Arrow keeps the memory that it needed for reading: as much again.
    pa.default_memory_pool().release_unused()
    return table.select(SHARDS.names)


def read_shard_rows(directory: str, manifest: Manifest) -> list[ShardRow]:
    """Return the rows of shards.parquet; raises as `read_shard_table` does."""
    return shard_rows(read_shard_table(directory, manifest))


def shard_rows(shards: pa.Table) -> list[ShardRow]:
    """Return the rows of a table of the schema SHARDS."""
    return [ShardRow.model_validate(row) for row in shards.to_pylist()]


Row = TypeVar("Row", bound=ShardRow)


def by_component(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return component -> its shards."""
    shards: dict[str, list[Row]] = {}
    for row in rows:
        shards.setdefault(row.component, []).append(row)
    return shards


def sums_of(shards: Sequence[ShardRow]) -> dict[str, Any]:
    """Return the fields of `ComponentTotals` that follow from the shards of a component."""
    sums = {"shards": len(shards), "digest": digest_of(row.sha256 for row in shards)}
    counts = ("documents", "tokens", "blocks")
    return sums | {name: sum(getattr(row, name) for row in shards) for name in counts}


def digest_of(digests: Iterable[str]) -> str:
    """Return the digest of a component: the SHA-256 over the SHA-256 digests of its shards."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def shard_entries(shards: pa.Table) -> list[ShardEntry]:
    """Return an entry for every row of a table of the schema SHARDS."""
    entries, block = [], 0
    ends: dict[tuple[str, bool], tuple[int, int]] = {}
    for number, row in enumerate(shard_rows(shards)):
        key = row.component, row.heldout
        document, address = ends.get(key, (0, 0))
        ends[key] = document + row.documents, address + row.addresses
        entries.append(ShardEntry(row, number, block, document, address))
        block += row.blocks
    return entries


def read_documents(directory: str, row: ShardRow, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table of documents beside a shard, or some columns of it.

    Raises:
        DataError: the file is missing, or its SHA-256 is not the one in shards.parquet.
    """
    return _parse(files.join(directory, row.table_path), row.table_sha256, SHARD_TABLE, columns)


def document_bounds(entry: ShardEntry, documents: pa.Table) -> npt.NDArray[np.int64]:
    """Return the first address of each document of a shard, and one after the last: int64 [n + 1].

    Args:
        entry: the shard.
        documents: its table of documents, with the column `tokens`.
    """
    sizes = documents["tokens"].to_numpy().astype(np.int64) + 1
    return entry.first_address + np.concatenate([[0], np.cumsum(sizes)])


def _parse(
    url: str, sha256: str | None, recorded_in: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return a Parquet file whose SHA-256 must be the recorded one."""
    data = files.read_bytes(url)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DataError(f"{url}: its SHA-256 is not the one in {recorded_in}")
    return parse_table(data, columns)
