"""A component of a dataset, read by address or document by document."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.dataset.shard_index import (
    SHARD_TABLE,
    ShardRow,
    digest_of,
    read_documents,
    shard_rows,
)
from manifests.dataset.token_range import Window
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.manifest import ComponentTotals
from manifests.shards import block_table
from manifests.shards.reader import BlockReader, ShardFile

if TYPE_CHECKING:
    from manifests.dataset.dataset import Dataset
    from manifests.dataset.gather import Documents, Gather

GATHERED = 256
"""Documents that are read at once. Ours: 1 MB of source code."""

CACHED_TABLES = 4
"""Tables of documents kept in memory: up to about 50 MB each."""

Addresses = npt.NDArray[np.int64]


class Component:
    """A component of a dataset. It repeats after `addresses` addresses (an epoch).

    An address is an offset into one epoch of the component. A document of n tokens has n + 1
    addresses: its tokens, and its end, which is not on disk.

    Attributes:
        name: `source/slug`.
        heldout: whether its shards are those for validation.
        documents: number of documents.
        tokens: tokens on disk.
        addresses: `tokens + documents`, the length of an epoch.
        digest: SHA-256 over the SHA-256 digests of its shards.
        reader: its blocks, numbered from 0.
        dtype: of the tokens on disk: uint16 or uint32.
        is_local: whether its shards are files of this machine.
    """

    def __init__(
        self, dataset: "Dataset", name: str, heldout: bool, totals: ComponentTotals
    ) -> None:
        """Open a component; no shard is touched before it is read.

        Raises:
            DataError: the shards or blocks do not add up to `totals`.
        """
        self._dataset, self.name, self.heldout = dataset, name, heldout
        self.documents, self.tokens = totals.documents, totals.tokens
        self.addresses, self.digest = totals.addresses, totals.digest
        shards = dataset.shard_range(name, heldout)
        rows = dataset.block_range(shards)
        table = dataset.blocks[rows.start : rows.stop]
        self._shards = dataset.shards.slice(shards.start, len(shards))
        shard_files = _ShardFiles(files.join(dataset.directory, ""), self._shards)
        self.reader = BlockReader(table, shard_files, dataset.tokenizer.dtype, dataset.handles)
        self.dtype, self.is_local = self.reader.dtype, self.reader.is_local
        self._first_address = _starts(table["documents"].astype(np.int64) + table["tokens"])
        self._check(table, shards, totals)
        block_table.release_pages(dataset.blocks)
        self._tables = lru_cache(CACHED_TABLES)(self._read_table)

    def _check(self, table: block_table.BlockTable, shards: range, totals: ComponentTotals) -> None:
        """Check the component's shards and blocks against manifest.json and shards.parquet."""
        url = files.join(self._dataset.directory, SHARD_TABLE)
        if digest_of(self._shards["sha256"].to_pylist()) != totals.digest:
            raise DataError(f"{url}: the shards of {self.name} are not those of manifest.json")
        url = files.join(self._dataset.directory, block_table.FILE)
        numbers = np.repeat(np.array(shards), self._shards["blocks"].to_numpy())
        if not np.array_equal(table["shard"], numbers):
            raise DataError(f"{url}: the blocks of {self.name} are not in the order of its shards")
        sums = int(table["documents"].sum(dtype=np.int64)), int(self._first_address[-1])
        if sums != (self.documents, self.addresses):
            raise DataError(
                f"{url}: the blocks of {self.name} add up to {sums[0]} documents and {sums[1]} "
                f"addresses; manifest.json says {self.documents} and {self.addresses}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the dataset and the component itself."""
        return self._dataset.component, (self.name, self.heldout)

    def window(self, address: int, count: int, out: npt.NDArray[Any] | None = None) -> Window:
        """Return `count` addresses from `address` on; address 0 follows the last one.

        Args:
            address: offset of the first one into an epoch, 0 <= address < addresses.
            count: how many.
            out: array that receives the tokens, [count or more]; new memory by default.

        Raises:
            UsageError: the component has no such address, or the count is negative.
            DataError: a shard in the range is missing, cut, or wrong in a bit.
        """
        block = self._block(address, count)
        if out is None:
            out = np.empty(count, self.dtype)
        start, taken, filled = address - int(self._first_address[block]), 0, 0
        ends: list[Addresses] = []
        while True:
            size = int(self._first_address[block + 1] - self._first_address[block])
            stop = min(size, start + count - taken)
            block_ends = self.reader.ends(block)
            first, last = block_ends.searchsorted((start, stop)).tolist()
            self.reader.read(block, start - first, stop - last, out[filled:])
            ends.append(block_ends[first:last] + (taken - start))
            taken += stop - start
            filled += stop - last - (start - first)
            if taken == count:
                return Window(out[:filled], ends[0] if len(ends) == 1 else np.concatenate(ends))
            block, start = (block + 1) % (len(self._first_address) - 1), 0

    def ahead(self, address: int, count: int) -> None:
        """Fetch the blocks of `count` addresses from `address` on, in the background."""
        block, blocks = self._block(address, count), len(self._first_address) - 1
        count += address - int(self._first_address[block])
        for _ in range(blocks):
            self.reader.ahead(block)
            count -= int(self._first_address[block + 1] - self._first_address[block])
            if count <= 0:
                return
            block = (block + 1) % blocks

    def gather(self, documents: npt.ArrayLike, forgotten: bool = False) -> "Documents":
        """Return documents by their numbers, in any order, many at once; see `Gather`.

        Forgotten documents come without tokens, unless `forgotten` is true.
        """
        numbers = np.asarray(documents, dtype=np.int64)
        if forgotten or not len(self.forgotten):
            return self._gather(numbers)
        kept = ~np.isin(numbers, self.forgotten)
        gathered = self._gather(numbers[kept])
        lengths = np.zeros(len(numbers), dtype=np.int64)
        lengths[kept] = np.diff(gathered.starts)
        return gathered._replace(starts=_starts(lengths))

    @cached_property
    def forgotten(self) -> Addresses:
        """The numbers of the forgotten documents, ascending: int64 [k]."""
        return self.forgotten_by(None)

    def forgotten_by(self, names: Collection[str] | None) -> Addresses:
        """Return the numbers of the documents that tombstones list; None is for all tombstones."""
        ranges = self._dataset.tombstones.documents(self.name, self.heldout, names)
        return np.array([self.document_at(start)[0] for start in ranges[:, 0].tolist()], np.int64)

    @cached_property
    def _gather(self) -> "Gather":
        # Its compiled function would take a third of the time that a command needs to start.
        from manifests.dataset.gather import Gather

        return Gather(self.name, self.reader, self._first_document)

    def _block(self, address: int, count: int) -> int:
        """Return the block that holds an address."""
        if not 0 <= address < self.addresses or count < 0:
            raise UsageError(f"{self.name}: has no {count} addresses from {address} on")
        return int(self._first_address.searchsorted(address, side="right")) - 1

    def document_at(self, address: int) -> tuple[int, bool]:
        """Return the document that holds an address, and whether the document starts before it."""
        block = self._block(address, 1)
        local = address - int(self._first_address[block])
        ends = self.reader.ends(block)
        ended = int(ends.searchsorted(local))
        document = int(self._first_document[block]) + ended
        if ended:
            return document, int(ends[ended - 1]) != local - 1
        return document, local > 0 or self.reader.opens_inside(block)

    def document_of(self, block: int, token: int) -> int:
        """Return the document that holds a token of a block of the component."""
        ends = self.reader.ends(block)
        ended = (ends - np.arange(len(ends))).searchsorted(token, side="right")
        return int(self._first_document[block]) + int(ended)

    def origin(self, document: int) -> dict[str, Any]:
        """Return the row of a document: the columns of SHARD_DOCUMENTS, and `shard`, its path.

        Raises:
            UsageError: the component has no such document.
            DataError: the table beside the shard is missing or is not the one that was written.
        """
        if not 0 <= document < self.documents:
            raise UsageError(f"{self.name}: has no document {document}, only {self.documents}")
        number = int(self._first_of_shard.searchsorted(document, side="right")) - 1
        shard, table = self._tables(number)
        (row,) = table.slice(document - int(self._first_of_shard[number]), 1).to_pylist()
        return {**row, "shard": shard.shard}

    @cached_property
    def _first_document(self) -> Addresses:
        return _starts(self.reader.table["documents"])

    @cached_property
    def _first_of_shard(self) -> Addresses:
        return _starts(self._shards["documents"].to_numpy())

    def _read_table(self, number: int) -> tuple[ShardRow, pa.Table]:
        """Return a shard of the component, and the table of its documents."""
        (shard,) = shard_rows(self._shards.slice(number, 1))
        return shard, read_documents(self._dataset.directory, shard)

    def read_documents(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the tokens of every document that is not forgotten, in order: [n].

        Raises:
            DataError: as `window` does.
        """
        kept = np.setdiff1d(np.arange(self.documents), self.forgotten)
        for first in range(0, len(kept), GATHERED):
            tokens, starts = self.gather(kept[first : first + GATHERED], forgotten=True)
            yield from np.split(tokens, starts[1:-1])


class _ShardFiles(Sequence[ShardFile]):
    """The files of rows of shards.parquet, each made when it is first used."""

    def __init__(self, base: str, rows: pa.Table) -> None:
        self._base, self._rows = base, rows
        self._known: dict[int, ShardFile] = {}

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __getitem__(self, number: Any) -> Any:
        if number not in self._known:
            path, size = (self._rows[name][number].as_py() for name in ("shard", "bytes"))
            self._known[number] = ShardFile(self._base + path, size)
        return self._known[number]


def _starts(sizes: npt.NDArray[Any]) -> Addresses:
    """Return where each of consecutive things starts, and where the last one stops: [n + 1]."""
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, dtype=np.int64, out=starts[1:])
    return starts
