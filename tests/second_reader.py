"""A reader of token shards, written from docs/formats.md alone."""

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

Integers = tuple[int, ...]
CODES = {"uint16": "H", "uint32": "I"}
DESCRIPTIONS = {"H": b"'<u2'", "I": b"'<u4'"}


def blocks_by_table(dataset: Path, dtype: str) -> Iterator[tuple[str, Integers, Integers]]:
    """Yield (path of the shard, offsets, tokens) of every block, by offset from the block table."""
    shards = pq.ParquetFile(dataset / "shards.parquet").read(["shard"])["shard"].to_pylist()
    before = None
    for number, ended, tokens_at, token_count, crc in struct.iter_unpack(
        "<IIQII", (dataset / "blocks.bin").read_bytes()
    ):
        opens_inside = before == (number, 0)
        before = number, ended
        offset_count = ended - opens_inside + 1 + (ended == 0)
        token_format = f"<{token_count}{CODES[dtype]}"
        with open(dataset / shards[number], "rb") as shard:
            shard.seek(tokens_at - 640 - padded(128 + 4 * offset_count) + 128)
            offsets = shard.read(4 * offset_count)
            shard.seek(tokens_at)
            tokens = shard.read(struct.calcsize(token_format))
        assert zlib.crc32(tokens, zlib.crc32(offsets)) == crc
        unpacked = struct.unpack(f"<{offset_count}I", offsets), struct.unpack(token_format, tokens)
        yield shards[number], *unpacked


def blocks_by_headers(shard: Path, dtype: str) -> Iterator[tuple[int, Integers, Integers]]:
    """Yield (byte, offsets, tokens) of every block of a shard, from its first byte to its last."""
    with open(shard, "rb") as source:
        while (header := source.read(512)).strip(b"\0"):
            start = source.tell() - 512
            offsets = member(source, header, "I")
            yield start, offsets, member(source, source.read(512), CODES[dtype])


def member(source: BinaryIO, header: bytes, code: str) -> Integers:
    """Return the array of a member, whose header was read."""
    checked = header[:148] + b" " * 8 + header[156:]
    assert int(header[148:154], 8) == sum(checked)
    assert header[257:265] == b"ustar\x0000"
    size = int(header[124:135], 8)
    content = source.read(padded(size))[:size]
    assert content[:10] == b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    assert DESCRIPTIONS[code] in content[10:128]
    return tuple(value for (value,) in struct.iter_unpack(f"<{code}", content[128:]))


def padded(size: int) -> int:
    return -(-size // 512) * 512


def documents(blocks: list[tuple[Integers, Integers]]) -> list[list[int]]:
    """Return the documents of the blocks of a shard."""
    stream: list[int] = []
    cuts: list[int] = []
    for offsets, tokens in blocks:
        cuts += [len(stream) + offset for offset in offsets[:-1]]
        stream += tokens
    return [stream[start:stop] for start, stop in pairwise([*cuts, len(stream)])]
