"""The block table: 24 bytes for each block of a dataset, in the order of its shards."""

import base64
import mmap
from collections.abc import Iterable
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from manifests.errors import DataError
from manifests.io import files

FILE = "blocks.bin"

BLOCK = np.dtype(
    [
        ("shard", "<u4"),  # row of shards.parquet
        ("documents", "<u4"),  # that END in the block
        ("data_offset", "<u8"),  # byte of the shard at which the tokens' payload starts
        ("tokens", "<u4"),
        ("crc32", "<u4"),  # zlib.crc32 of the offsets' payload, then of the tokens'
    ]
)
"""A row: 24 bytes, so that the blocks of a trillion tokens (3.8 million) take 92 MB."""

BlockTable = npt.NDArray[np.void]


def number_tables(tables: Iterable[BlockTable]) -> bytes:
    """Return the content of blocks.bin, given the tables of all shards in their order."""
    rows = []
    for number, table in enumerate(tables):
        rows.append(table.copy())
        rows[-1]["shard"] = number
    return b"".join(table.tobytes() for table in rows)


def read_blocks(url: str) -> BlockTable:
    """Return a block table, mapped into memory where the file is local; read-only.

    Raises:
        DataError: the file is missing, or its size is not a multiple of 24 bytes.
    """
    if not files.exists(url):
        raise DataError(
            f"{url}: the block table is missing; `stackpile repair` rebuilds it from the shards"
        )
    size = files.size(url)
    if size % BLOCK.itemsize:
        raise DataError(f"{url}: has {size} bytes, not a multiple of {BLOCK.itemsize}")
    if size and files.is_local(url):
        return np.memmap(files.local_path(url), dtype=BLOCK, mode="r")
    return np.frombuffer(files.read_bytes(url), dtype=BLOCK)


def cut(table: BlockTable, blocks: Iterable[int]) -> list[BlockTable]:
    """Return the rows of each shard, given the number of blocks of each."""
    return [table[start:stop] for start, stop in pairwise(accumulate(blocks, initial=0))]


def release_pages(table: BlockTable) -> None:
    """Release the memory of a mapped table until its rows are read again."""
    if isinstance(table, np.memmap) and isinstance(table.base, mmap.mmap):
        table.base.madvise(mmap.MADV_DONTNEED)


def to_text(table: BlockTable) -> str:
    """Return a table in base64, for the receipt of its shard."""
    return base64.b64encode(table.tobytes()).decode("ascii")


def from_text(text: str) -> BlockTable:
    """Return the table that `to_text` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype=BLOCK)


def opens_inside(table: BlockTable, block: int) -> bool:
    """Tell whether a block opens inside a document: if no document ends in the block before."""
    return bool(
        block > 0
        and table["shard"][block - 1] == table["shard"][block]
        and table["documents"][block - 1] == 0
    )


def offset_count(documents: int, opened_inside: bool) -> int:
    """Return the length of a block's offsets: one more than the documents that start in the block.

    A document longer than a block starts in a block of its own. So a block in which documents end
    does not hold the start of a document that continues in the next block.

    Args:
        documents: documents that end in the block.
        opened_inside: whether the block opens inside a document.
    """
    return documents - int(opened_inside) + int(documents == 0) + 1
