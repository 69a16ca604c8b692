"""One shard, checked to the last byte against shards.parquet and the block table.

Every byte of a shard except keys, offsets and tokens follows from the block table, so a wrong one
is named exactly. Offsets and tokens have one checksum for each block.
"""

from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from manifests.dataset.shard_index import ShardRow
from manifests.errors import DataError
from manifests.shards.block_table import BlockTable, offset_count, opens_inside
from manifests.shards.scan import FIRST_NAME, Sample, ShardScan, open_shard
from manifests.shards.writer import NPY_HEADER, SECTOR, member_header

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShardPlaces:
    """Where the documents of a shard start.

    Attributes:
        prefix: of the keys of its blocks.
        blocks: int64 [documents], the block in which each document starts.
        starts: int64 [documents], the token of that block.
        lengths: int64 [blocks], the tokens of each block.
    """

    prefix: str
    blocks: Integers
    starts: Integers
    lengths: Integers


def check_shard(
    url: str, row: ShardRow, table: BlockTable, dtype: str, vocabulary: int
) -> ShardPlaces:
    """Check every byte of a .tar.

    Args:
        url: of the .tar.
        row: its row of shards.parquet.
        table: its rows of the block table.
        dtype: of the tokens: uint16 or uint32.
        vocabulary: one more than the largest id.

    Raises:
        DataError: names the first byte that is wrong, or the block that holds it.
    """
    _check_table(url, row, table)
    kind = np.dtype(dtype).newbyteorder("<")
    counts = [
        (offset_count(int(table["documents"][block]), opens_inside(table, block)), int(tokens))
        for block, tokens in enumerate(table["tokens"])
    ]
    with open_shard(url) as source:
        prefix = _prefix(row, source, counts, kind.itemsize)
        scan = ShardScan(url, source, kind, row.bytes)
        starts: list[Integers] = []
        for block, sample in enumerate(scan.samples(prefix, counts)):
            _check_block(url, sample, table[block])
            starts.append(_check_offsets(url, sample, opens_inside(table, block), kind.itemsize))
            _check_ids(url, sample, kind, vocabulary)
    if scan.sha256.hexdigest() != row.sha256:
        raise DataError(
            f"{url}: its SHA-256 is not the one in shards.parquet, though every block agrees "
            "with the block table"
        )
    blocks = np.repeat(np.arange(len(starts)), [len(block_starts) for block_starts in starts])
    starts_of_all = np.concatenate([np.zeros(0, np.int64), *starts])
    return ShardPlaces(prefix, blocks, starts_of_all, table["tokens"].astype(np.int64))


def _check_table(url: str, row: ShardRow, table: BlockTable) -> None:
    """Check that the block table adds up to the row of shards.parquet."""
    for field, count in (
        ("blocks", len(table)),
        ("documents", int(table["documents"].sum(dtype=np.int64))),
        ("tokens", int(table["tokens"].sum(dtype=np.int64))),
    ):
        if count != getattr(row, field):
            raise DataError(
                f"{url}: shards.parquet says {getattr(row, field)} {field}, the block table {count}"
            )


def _prefix(row: ShardRow, source: IO[bytes], counts: list[tuple[int, int]], itemsize: int) -> str:
    """Return the prefix of the keys, from a header of block 0 that is not damaged.

    If both headers are damaged, return the prefix that the shard's path gives.
    """
    prefix = row.shard.removesuffix(".tar").replace("/", "_")
    if counts:
        sizes = (NPY_HEADER + 4 * counts[0][0], NPY_HEADER + itemsize * counts[0][1])
        tokens_at = SECTOR + sizes[0] + -sizes[0] % SECTOR
        for position, size in ((tokens_at, sizes[1]), (0, sizes[0])):
            source.seek(position)
            header = source.read(SECTOR)
            name = FIRST_NAME.match(header)
            if name and header == member_header(name[0][:-1].decode(), size):
                prefix = name[1].decode()
        source.seek(0)
    return prefix


def _check_block(url: str, sample: Sample, row: np.void) -> None:
    """Check the position and the checksum of a block against its row of the block table."""
    if sample.tokens_at != row["data_offset"]:
        raise DataError(
            f"{url}: the tokens of {sample.key} start at byte {sample.tokens_at}; the block table "
            f"says {row['data_offset']}"
        )
    if sample.crc32 != row["crc32"]:
        raise DataError(
            f"{url}: block {sample.key}, bytes {sample.offsets_at} to "
            f"{sample.tokens_at + len(sample.tokens)}: its checksum is {sample.crc32:08x}, not "
            f"{row['crc32']:08x} as in the block table"
        )


def _check_offsets(url: str, sample: Sample, inside: bool, itemsize: int) -> Integers:
    """Check a block's offsets, and return its documents' starts.

    Args:
        url: of the .tar.
        sample: the block.
        inside: whether the block opens inside a document, by the block table.
        itemsize: bytes of a token.
    """
    name, length = f"{url}: {sample.key}.offsets.npy", len(sample.tokens) // itemsize
    offsets = np.frombuffer(sample.offsets, "<u4").astype(np.int64)
    falling = np.flatnonzero(np.diff(offsets) < 0)
    if len(falling):
        raise DataError(f"{name}: entry {falling[0] + 1} is less than the one before it")
    if offsets[-1] != length:
        raise DataError(f"{name}: ends with {offsets[-1]}, not with {length} tokens")
    if (offsets[0] > 0) != inside:
        raise DataError(
            f"{name}: starts with {offsets[0]}, yet the block "
            f"{'opens' if inside else 'does not open'} inside a document"
        )
    return offsets[:-1]


def _check_ids(url: str, sample: Sample, dtype: np.dtype[Any], vocabulary: int) -> None:
    """Check that every token is below the vocabulary."""
    tokens = np.frombuffer(sample.tokens, dtype)
    if len(tokens) and int(tokens.max()) >= vocabulary:
        index = int(np.flatnonzero(tokens >= vocabulary)[0])
        raise DataError(
            f"{url}: byte {sample.tokens_at + index * dtype.itemsize}, in {sample.key}.tokens.npy: "
            f"the id {tokens[index]} is not below the vocabulary {vocabulary}"
        )
