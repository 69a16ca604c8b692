"""A dataset of token shards, read: each component a ring of addresses."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.dataset.token_range import Window
from manifests.dataset.tombstones import Tombstones
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.parquet import parse_table
from manifests.lineage.manifest import ComponentTotals, Manifest, TokenizerRecord, load_manifest
from manifests.schemas import SHARDS
from manifests.shards import block_table
from manifests.shards.reader import BlockReader, Handles, Recent, ShardFile

if TYPE_CHECKING:
    from manifests.dataset.gather import Documents, Gather

SHARD_TABLE = "shards.parquet"
KNOWN_TABLES = 4
"""Document tables of shards kept in memory: up to about 50 MB each."""

Addresses = npt.NDArray[np.int64]


class Dataset:
    """A directory that the tokenize job finished.

    Attributes:
        directory: path or URL.
        manifest: its manifest.json.
        tokenizer: what the manifest says of its tokenizer: dtype, vocabulary, control ids.
        shards: its shards.parquet, in the order of the block table.
        blocks: its block table.
        tombstones: what of it is forgotten.
    """

    def __init__(self, directory: str) -> None:
        """Open a dataset; see `open`."""
        self.directory = directory
        self.manifest: Manifest = load_manifest(directory)
        self.tokenizer = tokenizer_of(directory, self.manifest)
        self.shards = read_shard_table(directory, self.manifest)
        self.blocks = block_table.read_blocks(files.join(directory, block_table.FILE))
        first = np.cumsum([0, *self.shards["blocks"].to_numpy()])
        if len(self.blocks) != first[-1]:
            raise DataError(
                f"{files.join(directory, block_table.FILE)}: has {len(self.blocks)} blocks; "
                f"{SHARD_TABLE} says {first[-1]}"
            )
        self.tombstones = Tombstones(directory, self.manifest)
        self._first_block = first
        self._handles = Handles()
        self._components: dict[tuple[str, bool], ShardComponent] = {}

    @classmethod
    def open(cls, directory: str) -> Self:
        """Open a dataset: its manifest, shards.parquet and block table, but none of its shards.

        Raises:
            DataError: one of the three is missing, the manifest or shards.parquet was edited, or
                the block table is not as long as shards.parquet says. Its rows are checked when a
                component is opened.
        """
        return cls(directory)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the dataset itself."""
        return type(self), (self.directory,)

    @property
    def components(self) -> list[str]:
        """The names of the components that have shards for training, sorted."""
        return sorted(self.manifest.components)

    @property
    def heldout_components(self) -> list[str]:
        """The names of the components that have shards for validation, sorted."""
        return sorted(self.manifest.heldout_components)

    @property
    def tokenizer_path(self) -> str:
        """Where tokenizer.json lies."""
        return files.join(self.directory, self.tokenizer.file)

    def component(self, name: str, heldout: bool = False) -> "ShardComponent":
        """Return a component; the same object each time.

        Raises:
            UsageError: the dataset has no such component.
            DataError: its shards or blocks do not add up to what manifest.json says.
        """
        if (name, heldout) not in self._components:
            known = self.manifest.heldout_components if heldout else self.manifest.components
            if name not in known:
                kind = "heldout component" if heldout else "component"
                names = ", ".join(sorted(known)) or "none"
                raise UsageError(f"{self.directory}: has no {kind} {name!r}; it has: {names}")
            self._components[name, heldout] = ShardComponent(self, name, heldout, known[name])
        return self._components[name, heldout]

    def shard_range(self, name: str, heldout: bool) -> range:
        """Return the rows of shards.parquet that are a component's; DataError where scattered."""
        found = self._runs.get((name, heldout), [])
        if len(found) != 1:
            raise DataError(
                f"{files.join(self.directory, SHARD_TABLE)}: the shards of {name} are not together"
            )
        return found[0]

    @cached_property
    def _runs(self) -> dict[tuple[str, bool], list[range]]:
        """Each component's rows of shards.parquet: all components in one pass over them."""
        names = self.shards["component"].combine_chunks().dictionary_encode()
        heldout = self.shards["heldout"].to_numpy()
        codes = names.indices.to_numpy().astype(np.int64) * 2 + heldout
        cuts = np.flatnonzero(np.diff(codes)) + 1
        known = names.dictionary.to_pylist()
        runs: dict[tuple[str, bool], list[range]] = {}
        for start, stop in pairwise([0, *cuts.tolist(), len(codes)] if len(codes) else []):
            component, is_heldout = divmod(int(codes[start]), 2)
            runs.setdefault((known[component], bool(is_heldout)), []).append(range(start, stop))
        return runs

    def block_range(self, shards: range) -> range:
        """Return the rows of the block table that belong to a range of shards."""
        return range(int(self._first_block[shards.start]), int(self._first_block[shards.stop]))

    def shard_files(self, shards: range) -> Sequence[ShardFile]:
        """Return where shards lie and how large they are."""
        return _ShardFiles(files.join(self.directory, ""), self.shards, shards)

    @property
    def handles(self) -> Handles:
        """The shards that are open."""
        return self._handles


class _ShardFiles(Sequence[ShardFile]):
    """Rows of shards.parquet: what was asked for is remembered, and nothing else is made."""

    def __init__(self, base: str, table: pa.Table, rows: range) -> None:
        self._base, self._table, self._rows = base, table, rows
        self._known: dict[int, ShardFile] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: Any) -> Any:
        if number not in self._known:
            row = self._rows[number]
            path, size = (self._table[name][row].as_py() for name in ("shard", "bytes"))
            self._known[number] = ShardFile(self._base + path, size)
        return self._known[number]


class ShardComponent:
    """A component of a dataset as a ring of addresses: what token_range.Component asks for.

    Attributes:
        name: `source/slug`.
        heldout: whether these are the shards for validation.
        documents: documents, each with one end address.
        tokens: tokens on disk.
        addresses: their sum, the length of the ring.
        digest: SHA-256 over the SHA-256 digests of its shards.
        reader: its blocks, numbered through from 0.
    """

    def __init__(self, dataset: Dataset, name: str, heldout: bool, totals: ComponentTotals) -> None:
        """Open a component; no shard is touched before it is read."""
        self._dataset, self.name, self.heldout = dataset, name, heldout
        self.documents, self.tokens = totals.documents, totals.tokens
        self.addresses, self.digest = totals.addresses, totals.digest
        shards = dataset.shard_range(name, heldout)
        rows = dataset.block_range(shards)
        table = dataset.blocks[rows.start : rows.stop]
        self._shards = shards
        self._shard_files = dataset.shard_files(shards)
        self.reader = BlockReader(
            table, self._shard_files, dataset.tokenizer.dtype, dataset.handles
        )
        self._first_address = _starts(table["documents"].astype(np.int64) + table["tokens"])
        self._check(table, totals)
        block_table.let_go(dataset.blocks)
        self._tables = Recent(KNOWN_TABLES, self._documents_of)

    def _check(self, table: block_table.BlockTable, totals: ComponentTotals) -> None:
        rows = self._dataset.shards.slice(self._shards.start, len(self._shards))
        place = files.join(self._dataset.directory, SHARD_TABLE)
        digests = b"".join(bytes.fromhex(text) for text in rows["sha256"].to_pylist())
        if hashlib.sha256(digests).hexdigest() != totals.digest:
            raise DataError(f"{place}: the shards of {self.name} are not those of manifest.json")
        place = files.join(self._dataset.directory, block_table.FILE)
        numbers = np.repeat(np.array(self._shards), rows["blocks"].to_numpy())
        if not np.array_equal(table["shard"], numbers):
            raise DataError(
                f"{place}: the blocks of {self.name} are not in the order of its shards"
            )
        found = int(table["documents"].sum(dtype=np.int64)), int(self._first_address[-1])
        if found != (self.documents, self.addresses):
            raise DataError(
                f"{place}: the blocks of {self.name} add up to {found[0]} documents and "
                f"{found[1]} addresses; manifest.json says {self.documents} and {self.addresses}"
            )

    @cached_property
    def _first_document(self) -> Addresses:
        return _starts(self.reader.table["documents"])

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the component itself."""
        return _open_component, (self._dataset.directory, self.name, self.heldout)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the tokens on disk: uint16 or uint32."""
        return self.reader.dtype

    def window(self, address: int, count: int, out: npt.NDArray[Any] | None = None) -> Window:
        """Return `count` addresses from `address` on, around the ring as often as it takes.

        Args:
            address: the first one.
            count: how many.
            out: what the tokens are written to; [count or more], new memory by default.

        Raises:
            UsageError: the address is not in the ring, or the count is negative.
            DataError: a shard that it touches is missing, cut, or wrong in a bit.
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

    @property
    def is_local(self) -> bool:
        """Whether its shards are files of this machine."""
        return self.reader.is_local

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

        One that is forgotten comes without tokens, unless `forgotten` says that it is meant.
        """
        numbers = np.asarray(documents, dtype=np.int64)
        if forgotten or not len(self.forgotten):
            return self._gather(numbers)
        kept = ~np.isin(numbers, self.forgotten)
        found = self._gather(numbers[kept])
        lengths = np.zeros(len(numbers), dtype=np.int64)
        lengths[kept] = np.diff(found.starts)
        return found._replace(starts=_starts(lengths))

    @cached_property
    def forgotten(self) -> Addresses:
        """The numbers of the documents that are forgotten, ascending: int64 [k]."""
        return self.forgotten_by(None)

    def forgotten_by(self, names: Collection[str] | None) -> Addresses:
        """Return the numbers of what some tombstones forget, by their names; None is for all."""
        found = self._dataset.tombstones.documents(self.name, self.heldout, names)[:, 0]
        return np.array([self.document_at(each)[0] for each in found.tolist()], np.int64)

    @cached_property
    def _gather(self) -> "Gather":
        # Its compiled function would take a third of the time that a command needs to start.
        from manifests.dataset.gather import Gather

        return Gather(self.name, self.reader, self._first_document)

    def _block(self, address: int, count: int) -> int:
        if not 0 <= address < self.addresses or count < 0:
            raise UsageError(f"{self.name}: has no {count} addresses from {address} on")
        return int(self._first_address.searchsorted(address, side="right")) - 1

    def document_at(self, address: int) -> tuple[int, bool]:
        """Return the document that holds an address, and whether it starts before it."""
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
        shard = int(self._first_of_shard.searchsorted(document, side="right")) - 1
        row = document - int(self._first_of_shard[shard])
        (found,) = self._tables(shard).slice(row, 1).to_pylist()
        path = self._dataset.shards["shard"][self._shards.start + shard].as_py()
        return {**found, "shard": path}

    @cached_property
    def _first_of_shard(self) -> Addresses:
        rows = self._dataset.shards.slice(self._shards.start, len(self._shards))
        return _starts(rows["documents"].to_numpy())

    def _documents_of(self, shard: int) -> pa.Table:
        url = self._shard_files[shard].url.removesuffix(".tar") + ".parquet"
        data = files.read_bytes(url)
        expected = self._dataset.shards["table_sha256"][self._shards.start + shard].as_py()
        if hashlib.sha256(data).hexdigest() != expected:
            raise DataError(f"{url}: is not the file that {SHARD_TABLE} speaks of (SHA-256)")
        return parse_table(data)

    def read_documents(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the tokens of every document, in order: [n] of the dtype on disk.

        Those that are forgotten are left out.

        Raises:
            DataError: as `window` does.
        """
        forgotten = set(self._dataset.tombstones.documents(self.name, self.heldout)[:, 0].tolist())
        address = 0
        pieces: list[npt.NDArray[Any]] = []
        for block in range(len(self._first_address) - 1):
            ends = self.reader.ends(block)
            length = int(self.reader.offsets(block)[-1])
            tokens = self.reader.tokens(block, 0, length)
            start = 0
            for stop in (ends - np.arange(len(ends))).tolist():
                document = np.concatenate([*pieces, tokens[start:stop]])
                if address not in forgotten:
                    yield document
                address += len(document) + 1
                pieces, start = [], stop
            if start < length:
                pieces.append(tokens[start:])


def tokenizer_of(directory: str, manifest: Manifest) -> TokenizerRecord:
    """Return what a dataset's manifest says of its tokenizer; DataError for another job's."""
    if manifest.step != "tokenize" or manifest.tokenizer is None:
        raise DataError(f"{directory}: is the output of {manifest.step}: it has no shards")
    return manifest.tokenizer


def read_shard_table(directory: str, manifest: Manifest) -> pa.Table:
    """Return shards.parquet; DataError where it is not the one that the manifest speaks of."""
    url = files.join(directory, SHARD_TABLE)
    data = files.read_bytes(url)
    if hashlib.sha256(data).hexdigest() != manifest.tables.get(SHARD_TABLE):
        raise DataError(f"{url}: is not the file that manifest.json speaks of (SHA-256)")
    table = parse_table(data, SHARDS.names)
    # Arrow keeps for itself what it needed to read: as much again.
    pa.default_memory_pool().release_unused()
    return table


def _starts(sizes: npt.NDArray[Any]) -> Addresses:
    """Return where each of consecutive things starts, and where the last one stops: [n+1]."""
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, dtype=np.int64, out=starts[1:])
    return starts


def _open_component(directory: str, name: str, heldout: bool) -> ShardComponent:
    return Dataset.open(directory).component(name, heldout)
