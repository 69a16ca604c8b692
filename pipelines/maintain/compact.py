"""Write a dataset without its forgotten documents. Only shards with such documents are rewritten.

The result is a new dataset: mixtures and runs of the original stay valid. Other shards become hard
links, or copies where the file system has no hard links.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.catalog.describe import describe
from manifests.console import formatting
from manifests.dataset.dataset import Dataset
from manifests.dataset.gather import Documents
from manifests.dataset.shard_index import ShardEntry, document_bounds, read_documents, shard_entries
from manifests.dataset.tombstones import Ranges
from manifests.dataset.writer import DatasetShard, ShardRecord, finish_dataset
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.io.parquet import read_table, write_table
from manifests.lineage.manifest import FILE, Manifest, load_manifest, manifest_digest
from manifests.lineage.receipts import write_receipt
from manifests.schemas import FORMAT, schema_of
from manifests.shards import block_table
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from manifests.verify.cleanup import strays
from pipelines.maintain.compact_manifest import KEY, make_manifest
from pipelines.preparation import write_manifest
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from pipelines.runtime.step import Step

STEP = "compact"
TABLE = "compact.parquet"
BATCH = 1 << 22
"""Tokens read at once. Ours: 8 MB of uint16."""

COPIED = ("id", "text_hash", "repositories", "path", "license")
"""Columns of a document that its new table takes from the original table."""

Mask = npt.NDArray[np.bool_]


class CompactRow(TypedDict):
    """A row of compact.parquet: a shard of the original dataset.

    `input` is the path of the shard, `number` its row of shards.parquet, and `touched` says whether
    any of its documents is forgotten.
    """

    part: str
    """Name of the receipt."""
    source: str
    input: str
    number: int
    touched: bool


def compact(directory: str, out: str, runner: Runner) -> dict[str, Any]:
    """Write a dataset without its forgotten documents into another directory.

    The same call continues after a stop. Tombstones written after the start are not applied.

    Returns:
        A JSON object: `directory` and `out` (None without forgotten documents), `rewritten`, `kept`
        and `dropped` shards, and the removed `documents` and `tokens`.

    Raises:
        UsageError: `out` holds something else, or every document is forgotten.
        DataError: a shard is damaged, or another compaction into `out` has started.
    """
    dataset = Dataset.open(directory)
    tombstones = dataset.tombstones
    if not tombstones:
        return {"directory": directory, "out": None} | dict.fromkeys(
            ("rewritten", "kept", "dropped", "documents", "tokens"), 0
        )
    job_digest = digest([STEP, FORMAT, manifest_digest(directory), tombstones.names])
    _check_out(directory, out, job_digest)
    table, rows = files.join(out, TABLE), _rows(dataset)
    write_table(table, rows)
    receipts = Job(Compact(out, directory, job_digest, tombstones.names), table, STEP).run(runner)
    _check_alone(out, table, rows)
    records = [receipt.extra["shard"] for receipt in receipts if receipt.extra["shard"]]
    if not records:
        raise UsageError(f"{directory}: every document is forgotten; nothing was written")
    summary = finish_dataset(out, (ShardRecord.model_validate(record) for record in records))
    files.link_or_copy(dataset.tokenizer_path, files.join(out, dataset.tokenizer.file))
    manifest = make_manifest(dataset, out, job_digest, receipts, summary, TABLE)
    write_manifest(out, manifest)
    _remove_strays(out, table, rows, manifest)
    describe(out, manifest, summary.licenses, overwrite=True)
    touched = sum(receipt.extra["touched"] for receipt in receipts)
    dropped = len(receipts) - len(records)
    return {
        "directory": directory,
        "out": out,
        "rewritten": touched - dropped,
        "kept": len(receipts) - touched,
        "dropped": dropped,
        **manifest.extra[KEY]["gone"],
    }


def _check_out(directory: str, out: str, job_digest: str) -> None:
    """Refuse the original directory, and a directory that holds another dataset."""
    if os.path.abspath(out) == os.path.abspath(directory):
        raise UsageError(f"{out}: is the dataset to be compacted; name another directory")
    if files.exists(files.join(out, FILE)) and load_manifest(out).digest != job_digest:
        raise UsageError(f"{out}: holds another dataset; name another directory")


def _check_alone(out: str, table: str, rows: pa.Table) -> None:
    """Stop where another compaction has started here: it may remove shards of this one."""
    if not read_table(table).equals(rows):
        raise _not_alone(out)


def _not_alone(out: str) -> DataError:
    return DataError(
        f"{out}: another compaction has started here; run this one again, or name another directory"
    )


def _remove_strays(out: str, table: str, rows: pa.Table, manifest: Manifest) -> None:
    """Remove shards of an earlier compaction into the same directory that was stopped.

    Readers without the manifest would take these shards for shards of this dataset, and they hold
    documents that were forgotten later. A compaction that runs at the same time is safe. If it
    started later, it has written its own table of parts, and nothing is removed here. If it started
    earlier, it finds this table when its parts are done, stops, and writes lost shards again.
    """
    left = strays(out, manifest)
    if left and read_table(table).equals(rows) and load_manifest(out) == manifest:
        for path in left:
            files.remove(files.join(out, path))


def _rows(dataset: Dataset) -> pa.Table:
    """Return the table of parts. The name of a part depends on its shard and its tombstones."""
    rows: list[CompactRow] = []
    for place in shard_entries(dataset.shards):
        part, touched = _part(place, dataset.tombstones.documents(*place.component))
        rows.append(
            {
                "part": part,
                "source": place.row.component.split("/")[0],
                "input": place.row.shard,
                "number": place.number,
                "touched": touched,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema_of(CompactRow))


def _part(place: ShardEntry, gone: Ranges) -> tuple[str, bool]:
    """Return the name of a shard's part, and whether `gone` contains any of its documents."""
    first = place.first_address
    low, high = gone[:, 0].searchsorted((first, first + place.row.addresses)).tolist()
    identity = [place.row.shard, place.row.sha256, place.row.table_sha256]
    name = short_digest([STEP, FORMAT, *identity, (gone[low:high] - first).tolist()])
    return name, low < high


@dataclass
class Compact(Step[CompactRow]):
    """The step that makes a new shard and a receipt from each original shard."""

    directory: str
    """The directory of the new dataset."""
    origin: str
    """The directory of the original dataset."""
    digest: str
    """The digest of the step."""
    tombstones: tuple[str, ...]
    """Names of the tombstones to apply."""

    def setup(self) -> None:
        """Open the original dataset."""
        self._dataset = Dataset.open(self.origin)
        self._places = shard_entries(self._dataset.shards)
        self._tokenizer = load_tokenizer(self._dataset.tokenizer_path)

    def receipts(self, row: CompactRow) -> Iterator[str]:
        """Yield the one name."""
        yield row["part"]

    def work(self, row: CompactRow) -> None:
        """Link a shard without forgotten documents, or write a shard without them."""
        place = self._places[row["number"]]
        documents = read_documents(self.origin, place.row)
        edges = document_bounds(place, documents)
        # Tombstones that were written after the compaction started are not applied.
        tombstones = self._dataset.tombstones
        names = [name for name in tombstones.of(*place.component) if name in self.tombstones]
        gone = tombstones.documents(*place.component, names)
        if row["part"] != _part(place, gone)[0]:
            raise _not_alone(self.directory)
        kept = ~np.isin(edges[:-1], gone[:, 0])
        if row["touched"]:
            record = self._rewrite(row, place, documents, kept)
        else:
            record = self._link(place, documents)
        write_receipt(
            self.directory,
            record.files if record else [],
            name=row["part"],
            step=STEP,
            digest=self.digest,
            extra={
                "shard": record.model_dump(mode="json") if record else None,
                "touched": row["touched"],
                "component": place.component,
                "gone": self._gone(place, documents, kept),
            },
        )

    def _link(self, place: ShardEntry, documents: pa.Table) -> ShardRecord:
        """Link or copy a shard with its side files; return its record."""
        for path in place.row.files:
            files.link_or_copy(files.join(self.origin, path), files.join(self.directory, path))
        first = place.first_block
        table = np.array(self._dataset.blocks[first : first + place.row.blocks])
        table["shard"] = 0
        licenses = Counter(name or "" for name in documents["license"].to_pylist())
        return ShardRecord(
            **place.row.model_dump(),
            text_bytes=0,
            block_table=block_table.to_text(table),
            licenses=dict(sorted(licenses.items())),
        )

    def _rewrite(
        self, row: CompactRow, place: ShardEntry, documents: pa.Table, kept: Mask
    ) -> ShardRecord | None:
        """Write the kept documents of a shard; write no file and return None without any."""
        if not kept.any():
            return None
        shard = DatasetShard(
            self.directory,
            _renamed(place.row.shard, row["part"]),
            place.row.component,
            heldout=place.row.heldout,
            dtype=self._dataset.tokenizer.dtype,
        )
        with shard:
            for rows, read in self._read(place, documents, np.flatnonzero(kept)):
                for number, document in enumerate(rows.to_pylist()):
                    tokens = read.tokens[read.starts[number] : read.starts[number + 1]]
                    copied = {name: document[name] for name in COPIED}
                    shard.add(tokens, **copied, text_bytes=0)
            return shard.close()

    def _read(
        self, place: ShardEntry, documents: pa.Table, chosen: npt.NDArray[np.intp]
    ) -> Iterator[tuple[pa.Table, Documents]]:
        """Yield rows of a shard's table and their tokens, about BATCH tokens at a time."""
        component = self._dataset.component(*place.component)
        total = np.cumsum(documents["tokens"].to_numpy()[chosen].astype(np.int64))
        cuts = np.flatnonzero(np.diff(total // BATCH)) + 1
        for rows in np.split(chosen, cuts) if len(chosen) else []:
            numbers = place.first_document + rows
            yield documents.take(pa.array(rows)), component.gather(numbers, forgotten=True)

    def _gone(self, place: ShardEntry, documents: pa.Table, kept: Mask) -> dict[str, int]:
        """Count forgotten documents, their tokens, and the bytes of their decoded tokens."""
        text = 0
        for _, read in self._read(place, documents, np.flatnonzero(~kept)):
            for start, stop in pairwise(read.starts.tolist()):
                text += len(decode(self._tokenizer, read.tokens[start:stop].tolist()).encode())
        tokens = documents["tokens"].to_numpy()[~kept]
        return {"documents": int((~kept).sum()), "tokens": int(tokens.sum()), "bytes": text}


def _renamed(path: str, part: str) -> str:
    """Return a shard's path with the digest of its new content in place of the old one."""
    return f"{path.removesuffix('.tar').rpartition('-')[0]}-{part[:8]}.tar"


def compacted_text(result: Mapping[str, Any]) -> str:
    """Return the result of `compact` as text for the terminal."""
    if result["out"] is None:
        return f"{result['directory']}: has no forgotten documents; nothing was written"
    return (
        f"{result['out']}: written without {formatting.plural(result['documents'], 'document')}, "
        f"{formatting.plural(result['tokens'], 'token')}: "
        f"{formatting.plural(result['rewritten'], 'shard')} rewritten, "
        f"{formatting.count(result['dropped'])} left out, "
        f"{formatting.count(result['kept'])} as they were\n"
        f"this is a new dataset; mixtures and runs of {result['directory']} still use the original"
    )
