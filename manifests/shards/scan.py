"""A shard, read from its first byte to its last.

Every byte of a shard except keys, offsets and tokens follows from the numbers of offsets and
tokens of its blocks, so all other bytes are compared with their only possible value.
"""

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from manifests.errors import DataError
from manifests.io import files
from manifests.shards.block_table import BLOCK, BlockTable
from manifests.shards.writer import NPY_HEADER, SECTOR, member_header, npy_header

FIRST_NAME = re.compile(rb"([A-Za-z0-9_-]{1,80})-000000\.(?:offsets|tokens)\.npy\0")
"""The name of a member of block 0, with the prefix of all keys as its group."""

SIZE = re.compile(rb"[0-7]{11}\0")
"""The size of a member, as its header has it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A block as it lies in its shard.

    Attributes:
        key: of the sample.
        offsets_at: byte at which the payload of the offsets starts.
        tokens_at: byte at which the payload of the tokens starts.
    """

    key: str
    offsets_at: int
    offsets: bytes
    tokens_at: int
    tokens: bytes

    @property
    def crc32(self) -> int:
        """CRC-32 of the payload of the offsets, then of the tokens, as in the block table."""
        return zlib.crc32(self.tokens, zlib.crc32(self.offsets))


class ShardScan:
    """One pass over a shard.

    Attributes:
        position: bytes read so far.
        sha256: state of SHA-256 over these bytes.
    """

    def __init__(
        self, url: str, source: IO[bytes], dtype: npt.DTypeLike, size: int | None = None
    ) -> None:
        """Scan a shard.

        Args:
            url: of the .tar, for messages.
            source: the .tar, open at byte 0.
            dtype: of the tokens.
            size: of the .tar in shards.parquet, for messages.
        """
        self._url, self._source = url, source
        self._recorded = "" if size is None else f"; shards.parquet says {size} bytes"
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self.position = 0
        self.sha256 = hashlib.sha256()

    def samples(self, prefix: str, counts: Sequence[tuple[int, int]]) -> Iterator[Sample]:
        """Yield every block, then check the end of the shard.

        Args:
            prefix: of the keys.
            counts: for each block, its numbers of offsets and of tokens.

        Raises:
            DataError: names the first byte that is wrong, or the byte at which the shard was cut.
        """
        for number, (offset_count, token_count) in enumerate(counts):
            key = f"{prefix}-{number:06d}"
            offsets = self._member(f"{key}.offsets.npy", np.dtype("<u4"), offset_count)
            tokens = self._member(f"{key}.tokens.npy", self._dtype, token_count)
            yield Sample(key, *offsets, *tokens)
        self._expect(bytes(2 * SECTOR), "the zeros at the end")
        if self._source.read(1):
            raise DataError(
                f"{self._url}: goes on after byte {self.position}, where the shard should end"
            )

    def _member(self, name: str, dtype: np.dtype[Any], count: int) -> tuple[int, bytes]:
        """Return the position and the bytes of the payload of a member."""
        size = count * dtype.itemsize
        self._expect(member_header(name, NPY_HEADER + size), f"the header of {name}")
        self._expect(npy_header(dtype.str, count), f"the npy header of {name}")
        position, payload = self.position, self._take(size, name)
        self._expect(bytes(-self.position % SECTOR), f"the zeros after {name}")
        return position, payload

    def _take(self, size: int, what: str) -> bytes:
        """Return the next bytes; DataError if the shard ends before."""
        data = self._source.read(size)
        if len(data) < size:
            raise DataError(
                f"{self._url}: ends at byte {self.position + len(data)}, in {what}{self._recorded}"
            )
        self.sha256.update(data)
        self.position += size
        return data

    def _expect(self, expected: bytes, what: str) -> None:
        """Read bytes that have only one possible value."""
        data = self._take(len(expected), what)
        if data != expected:
            index = next(i for i in range(len(data)) if data[i] != expected[i])
            raise DataError(
                f"{self._url}: byte {self.position - len(expected) + index}, in {what}, is "
                f"{data[index]:#04x}, not {expected[index]:#04x}"
            )


def open_shard(url: str) -> IO[bytes]:
    """Open a .tar for reading; DataError if it does not exist."""
    try:
        return files.open_input(url)
    except FileNotFoundError:
        raise DataError(f"{url}: the shard is missing") from None


def scan_shard(url: str, dtype: npt.DTypeLike) -> BlockTable:
    """Return the rows of a shard in the block table, column `shard` being 0.

    Args:
        url: of the .tar.
        dtype: of the tokens.

    Raises:
        DataError: names the first byte that is wrong, or the byte at which the shard was cut; or
            the shard is missing.
    """
    dtype = np.dtype(dtype)
    with open_shard(url) as source:
        prefix, counts = _read_headers(url, source, dtype.itemsize)
        source.seek(0)
        rows, opens_inside = np.zeros(len(counts), dtype=BLOCK), np.zeros(len(counts) + 1, bool)
        for number, sample in enumerate(ShardScan(url, source, dtype).samples(prefix, counts)):
            offsets = np.frombuffer(sample.offsets, "<u4").astype(np.int64)
            if not len(offsets) or offsets[-1] != counts[number][1] or (np.diff(offsets) < 0).any():
                raise DataError(f"{url}: the offsets of {sample.key} do not ascend to its tokens")
            opens_inside[number] = offsets[0] > 0
            rows[number] = 0, len(offsets) - 1, sample.tokens_at, counts[number][1], sample.crc32
    # The documents that end in a block: those that start in it, and one that goes on into it, less
    # one that goes on after it.
    documents = rows["documents"] + opens_inside[:-1].astype(np.int64) - opens_inside[1:]
    if opens_inside[0] or (opens_inside[1:] & (documents != 0)).any():
        raise DataError(
            f"{url}: a block opens inside a document that did not fill the block before"
        )
    rows["documents"] = documents
    return rows


def _read_headers(url: str, source: IO[bytes], itemsize: int) -> tuple[str, list[tuple[int, int]]]:
    """Return the prefix of a shard's keys and, for each block, its offsets and tokens."""
    sizes: list[int] = []
    position, prefix = 0, ""
    while (header := source.read(SECTOR)).strip(b"\0"):
        name = FIRST_NAME.match(header)
        if not (sizes or name) or not SIZE.fullmatch(header[124:136]):
            raise DataError(f"{url}: byte {position}: the header of a block's member is wrong")
        prefix = name[1].decode() if name else prefix
        size = int(header[124:135], 8)
        sizes.append(max(0, size - NPY_HEADER))
        position += SECTOR + size + -size % SECTOR
        source.seek(position)
    pairs = zip(sizes[::2], sizes[1::2], strict=False)
    return prefix, [(offsets // 4, tokens // itemsize) for offsets, tokens in pairs]
