"""A shard read from end to end: every header, every boundary, and its rows of the block table."""

import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.errors import DataError
from manifests.io import files
from manifests.shards.block_table import BLOCK, BlockTable
from manifests.shards.writer import NPY_HEADER, SECTOR, member_header, npy_header

FIRST_NAME = re.compile(rb"([A-Za-z0-9_-]{1,80})-000000\.offsets\.npy\0")


def scan_shard(url: str, dtype: npt.DTypeLike) -> BlockTable:
    """Return the block table of one shard, `shard` being 0.

    The format leaves no choice in any byte but those of keys, offsets and tokens, so that all
    others are compared with what they must be.

    Args:
        url: the .tar.
        dtype: of its tokens.

    Raises:
        DataError: the first byte that cannot be, or the byte at which the file was cut.
    """
    scan = _Scan(url, memoryview(files.read_bytes(url)), np.dtype(dtype).newbyteorder("<"))
    found = scan.blocks()
    rows = np.zeros(len(found), dtype=BLOCK)
    for number, block in enumerate(found):
        goes_on = number + 1 < len(found) and found[number + 1].opens_inside
        documents = block.starts + block.opens_inside - goes_on
        if goes_on and documents:
            raise DataError(
                f"{url}: block {number}, at byte {block.at}: holds the start of a document that "
                "goes on, and the end of another"
            )
        rows[number] = 0, documents, block.data_offset, block.tokens, block.crc
    return rows


@dataclass(frozen=True, slots=True)
class _Block:
    at: int
    starts: int
    opens_inside: bool
    data_offset: int
    tokens: int
    crc: int


class _Scan:
    """One pass over a shard's bytes."""

    def __init__(self, url: str, content: memoryview, dtype: np.dtype[Any]) -> None:
        self.url, self.content, self.dtype = url, content, dtype
        self.position = 0
        self.prefix = ""

    def blocks(self) -> list[_Block]:
        found: list[_Block] = []
        while bytes(self.content[self.position : self.position + 1]).strip(b"\0"):
            found.append(self._block(len(found)))
        if found and found[0].opens_inside:
            raise DataError(f"{self.url}: block 0 opens inside a document that no block starts")
        self._expect(bytes(2 * SECTOR), "the end of the archive")
        if self.position != len(self.content):
            raise DataError(f"{self.url}: goes on after its end, at byte {self.position}")
        return found

    def _block(self, number: int) -> _Block:
        at = self.position
        if number == 0:
            self.prefix = self._first_prefix()
        key = f"{self.prefix}-{number:06d}"
        data = self._member(f"{key}.offsets.npy", np.dtype("<u4"))
        data_offset = self.position + SECTOR + NPY_HEADER
        tokens = self._member(f"{key}.tokens.npy", self.dtype)
        count = len(tokens) // self.dtype.itemsize
        offsets = np.frombuffer(data, dtype="<u4").astype(np.int64)
        if not len(offsets) or offsets[-1] != count or (np.diff(offsets) < 0).any():
            raise DataError(
                f"{self.url}: block {number}, at byte {at}: its offsets do not ascend to {count}"
            )
        crc = zlib.crc32(tokens, zlib.crc32(data))
        return _Block(at, len(offsets) - 1, bool(offsets[0] > 0), data_offset, count, crc)

    def _first_prefix(self) -> str:
        found = FIRST_NAME.match(self.content[:100])
        if not found:
            raise DataError(f"{self.url}: byte 0: is not the header of a block's offsets")
        return found[1].decode("ascii")

    def _member(self, name: str, dtype: np.dtype[Any]) -> memoryview:
        """Step over a member and return its array's bytes."""
        digits = bytes(self.content[self.position + 124 : self.position + 135])
        size = int(digits, 8) if digits.isdigit() else NPY_HEADER
        self._expect(member_header(name, size), f"the header of {name}")
        length = size - NPY_HEADER
        self._expect(npy_header(dtype.str, length // dtype.itemsize), f"the npy header of {name}")
        payload = self.content[self.position : self.position + length]
        if len(payload) < length:
            raise DataError(f"{self.url}: was cut inside {name}, at byte {len(self.content)}")
        self.position += length
        self._expect(bytes(-self.position % SECTOR), f"the zeros after {name}")
        return payload

    def _expect(self, expected: bytes, what: str) -> None:
        found = bytes(self.content[self.position : self.position + len(expected)])
        if not expected.startswith(found):
            pairs = enumerate(zip(found, expected, strict=False))
            place, have, want = next((i, a, b) for i, (a, b) in pairs if a != b)
            raise DataError(
                f"{self.url}: byte {self.position + place} is {have}, not {want}, in {what}"
            )
        if len(found) < len(expected):
            raise DataError(f"{self.url}: was cut at byte {len(self.content)}, in {what}")
        self.position += len(expected)
