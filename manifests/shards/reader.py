"""Reads shards by offset, without tarfile and without copying tokens."""

import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.errors import DataError
from manifests.io import files
from manifests.shards.block_cache import BlockCache, block_name, cache_directory
from manifests.shards.block_table import BlockTable, offset_count, opens_inside
from manifests.shards.writer import offsets_at

OPEN_SHARDS = 128
"""Shards kept open at once. Ours: far below the usual limit of 1024 descriptors a process."""
CACHED_ENDS = 4096
"""Blocks whose document ends are kept in memory: about 2 kB each."""


@dataclass(frozen=True, slots=True)
class ShardFile:
    """The URL of a shard, and its size in bytes by shards.parquet."""

    url: str
    size: int


class FileHandlePool:
    """The shards used last, open; shared by the components of a dataset and by threads.

    Attributes:
        cache: blocks of remote shards.
        ends: `BlockReader.read_ends`, with the results of the last calls of all readers kept.
    """

    def __init__(self, limit: int = OPEN_SHARDS) -> None:
        """Keep at most `limit` local shards open."""
        self._limit = limit
        self.cache = BlockCache(cache_directory())
        self.ends = lru_cache(CACHED_ENDS)(lambda reader, block: reader.read_ends(block))
        self._open: OrderedDict[str, int] = OrderedDict()
        self._sized: set[str] = set()
        self._lock = threading.Lock()

    def read(self, shard: ShardFile, offset: int, size: int) -> bytes:
        """Return `size` bytes of a shard from `offset` on.

        Raises:
            DataError: the shard is missing or, at the first read, has another size.
        """
        if files.is_local(shard.url):
            with self._lock:
                data = os.pread(self._descriptor(shard), size, offset)
        else:
            data = self._read_remote(shard, offset, size)
        self._check_end(shard, offset, len(data), size)
        return data

    def read_into(self, shard: ShardFile, offset: int, out: npt.NDArray[Any]) -> None:
        """Fill `out` with the bytes of a local shard from `offset` on; raises as `read` does."""
        with self._lock:
            done = os.preadv(self._descriptor(shard), [out.data], offset)
        self._check_end(shard, offset, done, out.nbytes)

    def _check_end(self, shard: ShardFile, offset: int, done: int, size: int) -> None:
        if done != size:
            raise DataError(f"{shard.url}: ends at byte {offset + done}; the file became shorter")

    @contextmanager
    def descriptor(self, shard: ShardFile) -> Iterator[int]:
        """Yield the descriptor of a local shard, which stays open in the block.

        Raises:
            DataError: as `read` does.
        """
        with self._lock:
            yield self._descriptor(shard)

    def _descriptor(self, shard: ShardFile) -> int:
        if shard.url in self._open:
            self._open.move_to_end(shard.url)
            return self._open[shard.url]
        try:
            descriptor = os.open(files.local_path(shard.url), os.O_RDONLY)
        except FileNotFoundError:
            raise DataError(f"{shard.url}: the shard is missing") from None
        self._open[shard.url] = descriptor
        if len(self._open) > self._limit:
            os.close(self._open.popitem(last=False)[1])
        self._check_size(shard, os.fstat(descriptor).st_size)
        return descriptor

    def _read_remote(self, shard: ShardFile, offset: int, size: int) -> bytes:
        try:
            if shard.url not in self._sized:
                self._check_size(shard, files.size(shard.url))
            return files.read_range(shard.url, offset, size)
        except FileNotFoundError:
            raise DataError(f"{shard.url}: the shard is missing") from None

    def _check_size(self, shard: ShardFile, size: int) -> None:
        if size != shard.size:
            if shard.url in self._open:
                os.close(self._open.pop(shard.url))
            raise DataError(f"{shard.url}: has {size} bytes; shards.parquet says {shard.size}")
        self._sized.add(shard.url)

    def __del__(self) -> None:
        """Close what is open."""
        for descriptor in self._open.values():
            os.close(descriptor)


class BlockReader:
    """Reads the blocks of consecutive shards, numbered through from 0.

    The first read of a block reads all of it and checks its CRC-32. Later reads of local blocks
    read only the requested bytes. Remote blocks are read once, into a cache of this machine.

    Attributes:
        table: its rows of the block table.
        dtype: of the tokens on disk.
        handles: the open shards.
        is_local: whether the shards are files of this machine.
    """

    def __init__(
        self,
        table: BlockTable,
        shards: Sequence[ShardFile],
        dtype: npt.DTypeLike,
        handles: FileHandlePool,
    ) -> None:
        """Read the blocks of `table`.

        Args:
            table: rows of the block table, all rows of `shards`.
            shards: their shards; `table["shard"][0]` is the number of the first.
            dtype: of the tokens on disk.
            handles: the open shards.
        """
        table = table.view(np.ndarray)
        self._shard, self._documents = table["shard"], table["documents"]
        self._data_offset, self._tokens = table["data_offset"], table["tokens"]
        self.table, self._shards, self.handles = table, shards, handles
        # All shards are in one directory.
        self.is_local = not shards or files.is_local(shards[0].url)
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self._checked = np.zeros(len(table), dtype=bool)

    def shard(self, block: int) -> ShardFile:
        """Return the shard of a block."""
        return self._shards[int(self._shard[block]) - int(self._shard[0])]

    def opens_inside(self, block: int) -> bool:
        """Tell whether a block opens inside a document."""
        return opens_inside(self.table, block)

    def offsets(self, block: int) -> npt.NDArray[np.uint32]:
        """Return the starts of a block's documents and its length: uint32 [n+1], read-only."""
        origin = self._origin(block)
        return np.frombuffer(self._read(block, origin, 4 * self._offset_count(block)), dtype="<u4")

    def tokens(self, block: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Return the tokens from `start` to `stop` of a block: [stop - start], read-only."""
        width = self.dtype.itemsize
        position = int(self._data_offset[block]) + start * width
        return np.frombuffer(self._read(block, position, (stop - start) * width), self.dtype)

    def read(self, block: int, start: int, stop: int, out: npt.NDArray[Any]) -> None:
        """Write the tokens from `start` to `stop` of a block to the front of `out`."""
        if self.is_local and self._checked[block] and out.dtype == self.dtype:
            position = int(self._data_offset[block]) + start * self.dtype.itemsize
            self.handles.read_into(self.shard(block), position, out[: stop - start])
        else:
            out[: stop - start] = self.tokens(block, start, stop)

    def payload(self, block: int) -> bytes:
        """Return a block from the payload of its offsets to the end of its tokens, and check it.

        Raises:
            DataError: the CRC-32 of the block is not the one in the block table.
        """
        if self.is_local:
            data = self._fetch(block)
        else:
            fetch, is_right = partial(self._fetch, block), partial(self._is_right, block)
            data = self.handles.cache.whole(self._name(block), fetch, is_right)
        self._checked[block] = True
        return data

    def ahead(self, block: int) -> None:
        """Fetch a block of a remote shard in the background."""
        if not self.is_local:
            self.handles.cache.ahead(self._name(block), partial(self.payload, block))

    def _fetch(self, block: int) -> bytes:
        origin = self._origin(block)
        data = self.handles.read(self.shard(block), origin, self._size(block))
        if not self._is_right(block, data):
            number = block - int(np.searchsorted(self._shard, self._shard[block]))
            raise DataError(
                f"{self.shard(block).url}: block {number}, at byte {origin}: its checksum is "
                f"{self._crc(block, data):08x}; the block table says "
                f"{int(self.table['crc32'][block]):08x}"
            )
        return data

    def _is_right(self, block: int, data: bytes) -> bool:
        return self._crc(block, data) == int(self.table["crc32"][block])

    def _crc(self, block: int, data: bytes) -> int:
        """Return the CRC-32 of a payload's offsets and tokens, without the bytes between them."""
        view = memoryview(data)
        crc = zlib.crc32(view[: 4 * self._offset_count(block)])
        return zlib.crc32(view[int(self._data_offset[block]) - self._origin(block) :], crc)

    def _name(self, block: int) -> str:
        crc = int(self.table["crc32"][block])
        return block_name(self.shard(block).url, self._origin(block), self._size(block), crc)

    def ends(self, block: int) -> npt.NDArray[np.int64]:
        """Return the end addresses within a block: int64 [documents that end in it].

        Document j of those that end in the block ends before the token `ends[j] - j`.
        """
        ends: npt.NDArray[np.int64] = self.handles.ends(self, block)
        return ends

    def read_ends(self, block: int) -> npt.NDArray[np.int64]:
        """Return the end addresses within a block, as `ends` does, from the shard."""
        ends = self.offsets(block).astype(np.int64)
        if not self.opens_inside(block):
            ends = ends[1:]
        documents = int(self._documents[block])
        return ends[:documents] + np.arange(documents)

    def _read(self, block: int, position: int, size: int) -> bytes:
        """Return bytes of a shard inside a block; the first read of the block checks it."""
        skip = position - self._origin(block)
        if self._checked[block]:
            if self.is_local:
                return self.handles.read(self.shard(block), position, size)
            data = self.handles.cache.read(self._name(block), skip, size)
            if data is not None and len(data) == size:
                return data
        return self.payload(block)[skip : skip + size]

    def _offset_count(self, block: int) -> int:
        return offset_count(int(self._documents[block]), self.opens_inside(block))

    def _size(self, block: int) -> int:
        """Return the bytes from a block's offsets' payload to the end of its tokens'."""
        tokens = int(self._tokens[block]) * self.dtype.itemsize
        return int(self._data_offset[block]) - self._origin(block) + tokens

    def _origin(self, block: int) -> int:
        return offsets_at(int(self._data_offset[block]), self._offset_count(block))
