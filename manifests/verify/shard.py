"""One shard, checked to the last byte against shards.parquet and the block table.

Every byte of a shard that is no offset and no token follows from the block table, so a wrong one is
named exactly; for the others there is a checksum a block, and it names a single wrong byte too.
"""

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from manifests.errors import DataError
from manifests.io import files
from manifests.shards.block_table import BlockTable, offset_count, opens_inside
from manifests.shards.writer import NPY_HEADER, SECTOR, member_header, npy_header
from manifests.verify.wrong_byte import wrong_byte

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Starts:
    """Where the documents of a shard start, and its samples in the .tar.

    Attributes:
        prefix: of the keys of its blocks.
        blocks: int64 [documents], the block in which each document starts.
        starts: int64 [documents], the token of that block.
        lengths: int64 [blocks], the tokens of each block.
        samples: uint64 [blocks + 1], the byte of each sample, and the one after the last.
    """

    prefix: str
    blocks: Integers
    starts: Integers
    lengths: Integers
    samples: npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Sample:
    """The payloads of a block, and where in the shard they start."""

    key: str
    offsets_at: int
    offsets: bytes
    tokens_at: int
    tokens: bytes


class _Walk:
    """Reads a shard from its first byte to its last, hashing as it goes."""

    def __init__(self, url: str, source: IO[bytes], size: int) -> None:
        self.url, self.position = url, 0
        self.sha256 = hashlib.sha256()
        self._source, self._size = source, size

    def take(self, size: int, what: str) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise DataError(
                f"{self.url}: ends at byte {self.position + len(data)}, in {what}; "
                f"shards.parquet says {self._size} bytes"
            )
        self.sha256.update(data)
        self.position += size
        return data

    def expect(self, wanted: bytes, what: str) -> None:
        data = self.take(len(wanted), what)
        if data != wanted:
            place = next(i for i in range(len(data)) if data[i] != wanted[i])
            raise DataError(
                f"{self.url}: byte {self.position - len(wanted) + place}, in {what}, is "
                f"{data[place]:#04x}, not {wanted[place]:#04x}"
            )


def check_shard(
    url: str, row: dict[str, Any], table: BlockTable, dtype: str, vocabulary: int
) -> Starts:
    """Check every byte of a .tar.

    Args:
        url: of the .tar.
        row: its row of shards.parquet.
        table: its rows of the block table.
        dtype: of the tokens: uint16 or uint32.
        vocabulary: one more than the largest id.

    Raises:
        DataError: it names the first byte that is wrong, or the member that holds it.
    """
    _check_table(url, row, table)
    kind = np.dtype(dtype).newbyteorder("<")
    try:
        source = files.open_input(url)
    except FileNotFoundError:
        raise DataError(f"{url}: the shard is missing") from None
    with source:
        prefix = _prefix(row, source, table, kind.itemsize)
        walk = _Walk(url, source, row["bytes"])
        samples: list[int] = []
        starts: list[Integers] = []
        for block in range(len(table)):
            samples.append(walk.position)
            sample = _read_sample(walk, table, block, f"{prefix}-{block:06d}", kind)
            _check_sum(url, row, sample, int(table["crc32"][block]))
            starts.append(_check_offsets(url, sample, table, block))
            _check_ids(url, sample, kind, vocabulary)
        samples.append(walk.position)
        walk.expect(bytes(2 * SECTOR), "the zeros at the end")
        if source.read(1):
            raise DataError(f"{url}: goes on after byte {walk.position}, where it should end")
    if walk.sha256.hexdigest() != row["sha256"]:
        raise DataError(
            f"{url}: its SHA-256 is not the one in shards.parquet, though every block agrees "
            "with the block table"
        )
    blocks = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
    flat = np.concatenate([np.zeros(0, np.int64), *starts])
    lengths = table["tokens"].astype(np.int64)
    return Starts(prefix, blocks.astype(np.int64), flat, lengths, np.array(samples, "<u8"))


def _check_table(url: str, row: dict[str, Any], table: BlockTable) -> None:
    for field, found in (
        ("blocks", len(table)),
        ("documents", int(table["documents"].sum(dtype=np.int64))),
        ("tokens", int(table["tokens"].sum(dtype=np.int64))),
    ):
        if found != row[field]:
            raise DataError(
                f"{url}: shards.parquet says {row[field]} {field}, the block table {found}"
            )


def _prefix(row: dict[str, Any], source: IO[bytes], table: BlockTable, itemsize: int) -> str:
    """Read what the keys start with from the first header of block 0 that is whole.

    Where there is none, return what the shard's path makes of it.
    """
    prefix = str(row["shard"]).removesuffix(".tar").replace("/", "_")
    if len(table):
        first = table[0]
        count = offset_count(int(first["documents"]), opened_inside=False)
        members = (
            (0, NPY_HEADER + 4 * count),
            (
                int(first["data_offset"]) - NPY_HEADER - SECTOR,
                NPY_HEADER + int(first["tokens"]) * itemsize,
            ),
        )
        for place, size in reversed(members):
            source.seek(place)
            header = source.read(SECTOR)
            name = re.match(rb"([A-Za-z0-9_-]+)-000000\.(?:offsets|tokens)\.npy\0", header)
            if name and header == member_header(name[0][:-1].decode(), size):
                prefix = name[1].decode()
        source.seek(0)
    return prefix


def _read_sample(
    walk: _Walk, table: BlockTable, block: int, key: str, dtype: np.dtype[Any]
) -> _Sample:
    """Read one sample; all of it but its payloads is known before it is read."""
    count = offset_count(int(table["documents"][block]), opens_inside(table, block))
    length = int(table["tokens"][block])
    offsets_at, offsets = _read_member(walk, f"{key}.offsets.npy", np.dtype("<u4"), count)
    tokens_at, tokens = _read_member(walk, f"{key}.tokens.npy", dtype, length)
    if tokens_at != table["data_offset"][block]:
        raise DataError(
            f"{walk.url}: the tokens of {key} start at byte {tokens_at}; the block table says "
            f"{table['data_offset'][block]}"
        )
    return _Sample(key, offsets_at, offsets, tokens_at, tokens)


def _read_member(walk: _Walk, name: str, dtype: np.dtype[Any], count: int) -> tuple[int, bytes]:
    size = count * dtype.itemsize
    walk.expect(member_header(name, NPY_HEADER + size), f"the header of {name}")
    walk.expect(npy_header(dtype.str, count), f"the npy header of {name}")
    place = walk.position
    payload = walk.take(size, name)
    walk.expect(bytes(-walk.position % SECTOR), f"the zeros after {name}")
    return place, payload


def _check_sum(url: str, row: dict[str, Any], sample: _Sample, asked: int) -> None:
    payload = sample.offsets + sample.tokens
    crc = zlib.crc32(payload)
    if crc == asked:
        return
    found = wrong_byte(len(payload), asked, crc)
    if found:
        place, flip = found
        inside = place - len(sample.offsets)
        at = sample.offsets_at + place if inside < 0 else sample.tokens_at + inside
        if _mended_sha256(url, at, flip) == row["sha256"]:
            raise DataError(
                f"{url}: byte {at}, in {sample.key}.{'offsets' if inside < 0 else 'tokens'}.npy, "
                f"is {payload[place]:#04x}, not {payload[place] ^ flip:#04x}"
            )
    raise DataError(
        f"{url}: in block {sample.key}, bytes {sample.offsets_at} to "
        f"{sample.tokens_at + len(sample.tokens)}: its checksum is {crc:08x}, not {asked:08x} "
        "as in the block table"
    )


def _mended_sha256(url: str, place: int, flip: int) -> str:
    """Return the SHA-256 that a file would have with one byte changed."""
    state, position = hashlib.sha256(), 0
    with files.open_input(url) as source:
        while chunk := source.read(files.CHUNK):
            if position <= place < position + len(chunk):
                mended = bytearray(chunk)
                mended[place - position] ^= flip
                chunk = bytes(mended)
            state.update(chunk)
            position += len(chunk)
    return state.hexdigest()


def _check_offsets(url: str, sample: _Sample, table: BlockTable, block: int) -> Integers:
    """Check a block's offsets against its row, and return its documents' starts."""
    name = f"{url}: {sample.key}.offsets.npy"
    offsets = np.frombuffer(sample.offsets, "<u4").astype(np.int64)
    falling = np.flatnonzero(np.diff(offsets) < 0)
    if len(falling):
        raise DataError(f"{name}: entry {falling[0] + 1} is less than the one before it")
    if offsets[-1] != table["tokens"][block]:
        raise DataError(
            f"{name}: ends with {offsets[-1]}, not with {table['tokens'][block]} tokens"
        )
    inside = opens_inside(table, block)
    if (offsets[0] > 0) != inside:
        raise DataError(
            f"{name}: starts with {offsets[0]}, yet the block "
            f"{'opens' if inside else 'does not open'} inside a document"
        )
    return offsets[:-1]


def _check_ids(url: str, sample: _Sample, dtype: np.dtype[Any], vocabulary: int) -> None:
    tokens = np.frombuffer(sample.tokens, dtype)
    if len(tokens) and int(tokens.max()) >= vocabulary:
        place = int(np.flatnonzero(tokens >= vocabulary)[0])
        raise DataError(
            f"{url}: byte {sample.tokens_at + place * dtype.itemsize}, in {sample.key}.tokens.npy: "
            f"the id {tokens[place]} is not below the vocabulary {vocabulary}"
        )
