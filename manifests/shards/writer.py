"""Writes shards: a shard is a WebDataset .tar whose samples are blocks of documents.

    header of KEY.offsets.npy    512 bytes, USTAR, mtime 0
    npy header                   128 bytes
    offsets                      uint32: start of each document in the block; tokens of the block
    zeros up to the next 512
    header of KEY.tokens.npy     512 bytes
    npy header                   128 bytes
    tokens                       uint16 or uint32, at a multiple of 64 bytes
    zeros up to the next 512
    ... further blocks, then 1024 zeros

A block takes whole documents as long as it has at most 2^18 tokens. A longer document starts in a
block of its own and fills as many blocks as it needs; only the last one holds further documents.
offsets[0] > 0 means that a block opens inside a document. docs/formats.md describes every byte.
"""

import hashlib
import re
import tarfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.shards.block_table import BLOCK, BlockTable, offset_count, opens_inside

BLOCK_TOKENS = 1 << 18
"""Tokens of a block at most. Ours: plain webdataset is near its top speed from this size on, and a
read from an object store has 0.5 MB."""

SECTOR = 512
NPY_HEADER = 128
LONGEST_PREFIX = 80
"""Characters of a prefix at most, so that the name of a member fits USTAR's 100 characters."""
PREFIX = re.compile(f"[A-Za-z0-9_-]{{1,{LONGEST_PREFIX}}}")
"""The prefix of a key, without dots, because webdataset splits names at dots."""


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """Totals of a finished shard.

    Attributes:
        bytes: size of the .tar.
        sha256: of the .tar, hexadecimal.
        table: its rows of the block table, with 0 in the column `shard`.
    """

    bytes: int
    blocks: int
    documents: int
    tokens: int
    sha256: str
    table: BlockTable

    def totals(self) -> dict[str, Any]:
        """Return the fields but `table`."""
        names = ("bytes", "blocks", "documents", "tokens", "sha256")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class _Block:
    """The block being filled."""

    parts: list[npt.NDArray[Any]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    tokens: int = 0
    ended: int = 0


class ShardWriter:
    """Writes one shard and its .idx. Equal documents give equal bytes.

    As a context manager it removes its files if an exception leaves the block.
    """

    def __init__(
        self, url: str, key_prefix: str, dtype: npt.DTypeLike, block_tokens: int = BLOCK_TOKENS
    ) -> None:
        """Open a shard for writing.

        Args:
            url: of the .tar. The index of Energon is written to `url` + ".idx".
            key_prefix: unique in the dataset. Block 7 has the key PREFIX-000007.
            dtype: uint16 or uint32.
            block_tokens: tokens of a block at most; only tests change it.

        Raises:
            UsageError: the format does not allow the prefix or the dtype.
        """
        if not PREFIX.fullmatch(key_prefix):
            raise UsageError(f"{url}: {key_prefix!r} cannot be a key: use {PREFIX.pattern}")
        self._dtype = np.dtype(dtype).newbyteorder("<")
        if self._dtype not in (np.dtype("<u2"), np.dtype("<u4")):
            raise UsageError(f"{url}: tokens are uint16 or uint32, not {self._dtype}")
        self._url, self._prefix, self._block_tokens = url, key_prefix, block_tokens
        self._stack = ExitStack()
        self._output: IO[bytes] = self._stack.enter_context(files.replacing(url))
        self._sha256 = hashlib.sha256()
        self._position = 0
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._documents = 0
        self._block = _Block()
        self._summary: ShardSummary | None = None

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Finish the shard, or discard it if an exception leaves the block."""
        if error[0] is None:
            self.close()
        elif self._summary is None:
            self._stack.__exit__(*error)

    @property
    def size(self) -> int:
        """Approximate size of the .tar in bytes so far."""
        return self._position + self._block.tokens * self._dtype.itemsize

    def add(self, tokens: npt.NDArray[np.integer[Any]]) -> tuple[int, int]:
        """Append a document and return its start: (block of the shard, token of the block).

        Args:
            tokens: integers [n], n >= 0, without ids of control tokens.

        Raises:
            DataError: a token does not fit the shard's dtype.
        """
        limit = 1 << (8 * self._dtype.itemsize)
        if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < limit:
            raise DataError(f"{self._url}: a token does not fit {self._dtype.name}")
        tokens = tokens.astype(self._dtype)
        full = self._block.tokens + len(tokens) > self._block_tokens
        if (full or len(self._block.starts) >= self._block_tokens) and self._block.parts:
            self._flush()
        start = len(self._rows), self._block.tokens
        self._block.starts.append(self._block.tokens)
        while len(tokens) > self._block_tokens:
            self._append(tokens[: self._block_tokens])
            self._flush()
            tokens = tokens[self._block_tokens :]
        self._append(tokens)
        self._block.ended += 1
        self._documents += 1
        return start

    def _append(self, tokens: npt.NDArray[Any]) -> None:
        self._block.parts.append(tokens)
        self._block.tokens += len(tokens)

    def _flush(self) -> None:
        block, self._block = self._block, _Block()
        offsets = np.array([*block.starts, block.tokens], dtype="<u4").tobytes()
        tokens = np.concatenate(block.parts).tobytes()
        key = f"{self._prefix}-{len(self._rows):06d}"
        self._member(f"{key}.offsets.npy", "<u4", len(block.starts) + 1, offsets)
        data_offset = self._position + SECTOR + NPY_HEADER
        self._member(f"{key}.tokens.npy", self._dtype.str, block.tokens, tokens)
        crc = zlib.crc32(tokens, zlib.crc32(offsets))
        self._rows.append((0, block.ended, data_offset, block.tokens, crc))

    def _member(self, name: str, dtype: str, count: int, payload: bytes) -> None:
        self._write(member_header(name, NPY_HEADER + len(payload)))
        self._write(npy_header(dtype, count))
        self._write(payload)
        self._write(bytes(-self._position % SECTOR))

    def _write(self, data: bytes) -> None:
        self._output.write(data)
        self._sha256.update(data)
        self._position += len(data)

    def close(self) -> ShardSummary:
        """Write the last block, rename the file to its final name, and return the totals."""
        if self._summary is None:
            if self._block.parts:
                self._flush()
            self._write(bytes(2 * SECTOR))
            self._stack.close()
            table = np.array(self._rows, dtype=BLOCK)
            index = sample_index(table, self._dtype.itemsize)
            files.write_bytes(f"{self._url}.idx", index)
            self._summary = ShardSummary(
                bytes=self._position,
                blocks=len(table),
                documents=self._documents,
                tokens=int(table["tokens"].sum(dtype=np.int64)),
                sha256=self._sha256.hexdigest(),
                table=table,
            )
        return self._summary


def member_header(name: str, size: int) -> bytes:
    """Return the 512 bytes of a member's header: USTAR, mode 644, owner 0, time 0."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(format=tarfile.USTAR_FORMAT)


def npy_header(dtype: str, count: int) -> bytes:
    """Return the 128 bytes of the npy header of an array with one dimension (version 1.0)."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({count},), }}"
    length = NPY_HEADER - 10
    header = b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little")
    return header + text.ljust(length - 1).encode("ascii") + b"\n"


def sample_index(table: BlockTable, itemsize: int) -> bytes:
    """Return the content of a .tar.idx: uint64 [blocks + 1], the start of each sample and the end.

    Args:
        table: the shard's rows of the block table.
        itemsize: bytes of a token.
    """
    starts, end = [], 0
    for block, row in enumerate(table):
        count = offset_count(int(row["documents"]), opens_inside(table, block))
        starts.append(offsets_at(int(row["data_offset"]), count) - NPY_HEADER - SECTOR)
        end = int(row["data_offset"]) + int(row["tokens"]) * itemsize
    return np.array([*starts, end + -end % SECTOR], dtype="<u8").tobytes()


def offsets_at(data_offset: int, count: int) -> int:
    """Return the byte at which a block's offsets start, given that of its tokens."""
    member = NPY_HEADER + 4 * count
    return data_offset - SECTOR - NPY_HEADER - member - (-member % SECTOR) + NPY_HEADER
