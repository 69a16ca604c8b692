"""Writes a dataset of token shards: the shards with their side files, then the tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from manifests.dataset.shard_index import SHARD_TABLE, SHARDS, ShardRow, by_component, sums_of
from manifests.io import files
from manifests.io.digest import canonical_json, short_digest
from manifests.io.parquet import write_table
from manifests.lineage.manifest import ComponentTotals
from manifests.schemas import SHARD_DOCUMENTS
from manifests.shards import block_table
from manifests.shards.writer import BLOCK_TOKENS, LONGEST_PREFIX, ShardWriter

ENERGON = ".nv-meta"
"""The folder of the three files that NVIDIA Megatron-Energon reads."""


class ShardRecord(ShardRow):
    """A finished shard in the receipt of its part: its row of shards.parquet, and its blocks."""

    text_bytes: int = Field(ge=0)
    """Text of its documents, as UTF-8; 0 for a shard of `compact`, which has no texts."""
    block_table: str
    """Its rows of the block table, in base64."""
    licenses: dict[str, int] = Field(default_factory=dict)
    """License (an empty name where none is known) -> documents."""


class DatasetShard:
    """Writes one shard of a component: .tar, .tar.idx, and the .parquet of its documents.

    As a context manager it finishes the files, or removes them if an exception leaves the block.
    """

    def __init__(
        self,
        directory: str,
        path: str,
        component: str,
        *,
        heldout: bool,
        dtype: npt.DTypeLike,
        block_tokens: int = BLOCK_TOKENS,
    ) -> None:
        """Open a shard for writing.

        Args:
            directory: the dataset's.
            path: of the .tar, relative to the dataset. Its keys begin with it, with "_" for "/".
            component: `source/slug`.
            heldout: whether the shard is for validation.
            dtype: uint16 or uint32.
            block_tokens: tokens of a block at most; only tests change it.
        """
        self._directory, self._path = directory, path
        self._component, self._heldout = component, heldout
        self._writer = ShardWriter(files.join(directory, path), _key(path), dtype, block_tokens)
        self._rows: dict[str, list[Any]] = {name: [] for name in SHARD_DOCUMENTS.names}
        self._text_bytes = 0
        self._licenses: Counter[str] = Counter()
        self._record: ShardRecord | None = None

    def __enter__(self) -> Self:
        """Return the shard itself."""
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Finish the shard, or discard it if an exception leaves the block."""
        if error[0] is None:
            self.close()
        else:
            self._writer.__exit__(*error)

    @property
    def size(self) -> int:
        """Approximate size of the .tar in bytes so far."""
        return self._writer.size

    def add(
        self,
        tokens: npt.NDArray[np.integer[Any]],
        *,
        id: bytes,
        text_hash: bytes,
        repositories: Sequence[str],
        path: str,
        license: str | None,
        text_bytes: int,
    ) -> None:
        """Append a document: its tokens [n] without ids of control tokens, and its origin."""
        block, start = self._writer.add(tokens)
        row = {
            "id": id,
            "text_hash": text_hash,
            "source": self._component.split("/")[0],
            "component": self._component,
            "repositories": list(repositories),
            "path": path,
            "license": license,
            "block": block,
            "start": start,
            "tokens": len(tokens),
        }
        for name, value in row.items():
            self._rows[name].append(value)
        self._text_bytes += text_bytes
        self._licenses[license or ""] += 1

    def close(self) -> ShardRecord:
        """Finish the three files and return their record."""
        if self._record is None:
            self._record = self._finish()
        return self._record

    def _finish(self) -> ShardRecord:
        """Write the three files."""
        summary = self._writer.close()
        table = pa.table(self._rows, schema=SHARD_DOCUMENTS)
        url = files.join(self._directory, self._path.removesuffix(".tar") + ".parquet")
        write_table(url, table, compression="zstd")
        return ShardRecord(
            shard=self._path,
            component=self._component,
            heldout=self._heldout,
            **summary.totals(),
            table_sha256=files.sha256(url),
            text_bytes=self._text_bytes,
            block_table=block_table.to_text(summary.table),
            licenses=dict(sorted(self._licenses.items())),
        )


@dataclass(frozen=True)
class DatasetSummary:
    """The fields of a manifest that `finish_dataset` determines.

    Attributes:
        tables: file relative to the dataset -> its SHA-256.
        components: component -> its shards for training.
        heldout_components: component -> its shards for validation.
        licenses: license (an empty name where none is known) -> documents.
    """

    tables: dict[str, str]
    components: dict[str, ComponentTotals]
    heldout_components: dict[str, ComponentTotals]
    licenses: dict[str, int]

    @property
    def documents(self) -> int:
        """Number of documents."""
        return self._sum("documents")

    @property
    def sizes(self) -> dict[str, int]:
        """The fields of `Totals` that only a dataset has."""
        return {name: self._sum(name) for name in ("tokens", "shards", "blocks")}

    def _sum(self, field: str) -> int:
        totals = [*self.components.values(), *self.heldout_components.values()]
        return sum(getattr(component, field) for component in totals)


def finish_dataset(directory: str, records: Iterable[ShardRecord]) -> DatasetSummary:
    """Write the files over all shards: shards.parquet, the block table, and Energon's files.

    Shards are sorted by (heldout, component, path).
    """
    records = sorted(records, key=lambda record: (record.heldout, record.component, record.shard))
    columns = {name: [getattr(record, name) for record in records] for name in SHARDS.names}
    write_table(
        files.join(directory, SHARD_TABLE), pa.table(columns, schema=SHARDS), compression="zstd"
    )
    table = block_table.number_tables(
        block_table.from_text(record.block_table) for record in records
    )
    files.write_bytes(files.join(directory, block_table.FILE), table)
    energon = energon_files_of(records)
    for path, content in energon.items():
        files.write_bytes(files.join(directory, path), content)
    written = [SHARD_TABLE, block_table.FILE, *energon]
    return DatasetSummary(
        tables={path: files.sha256(files.join(directory, path)) for path in written},
        components=_totals(record for record in records if not record.heldout),
        heldout_components=_totals(record for record in records if record.heldout),
        licenses=dict(sum((Counter(record.licenses) for record in records), Counter())),
    )


def _key(path: str) -> str:
    """Return the prefix of a shard's keys; a long path is cut and ends with its digest."""
    key = path.removesuffix(".tar").replace("/", "_")
    return (
        key if len(key) <= LONGEST_PREFIX else f"{key[: LONGEST_PREFIX - 33]}-{short_digest(path)}"
    )


def _totals(records: Iterable[ShardRecord]) -> dict[str, ComponentTotals]:
    """Return component -> the totals of its shards."""
    return {
        component: ComponentTotals(bytes=sum(row.text_bytes for row in shards), **sums_of(shards))
        for component, shards in by_component(records).items()
    }


def energon_files(train: Mapping[str, int], heldout: Mapping[str, int]) -> dict[str, bytes]:
    """Return the files that `energon prepare` would ask for: path in the dataset -> content.

    Energon reads YAML; JSON is YAML too.

    Args:
        train: path of each shard for training, relative to the dataset -> its blocks.
        heldout: the same for the shards for validation.
    """
    split = {"train": [*train], "val": [*heldout], "test": []}
    contents = {
        "dataset.yaml": {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"},
        "split.yaml": {"split_parts": split, "exclude": []},
        ".info.json": {"shard_counts": {**train, **heldout}},
    }
    return {
        files.join(ENERGON, name): canonical_json(content) + b"\n"
        for name, content in contents.items()
    }


def energon_files_of(rows: Sequence[ShardRow]) -> dict[str, bytes]:
    """Return the content of the files of `energon_files` for the rows of shards.parquet."""
    train, heldout = (
        {row.shard: row.blocks for row in rows if row.heldout == kind} for kind in (False, True)
    )
    return energon_files(train, heldout)
