"""Decontamination: finds documents that hold a text of a benchmark.

BigCode drops a file that holds such a text, in any letter case (bigcode-dataset
decontamination/find_substrings.py), at a cost of files times texts. This module computes a rolling
hash over windows of WINDOW bytes of a document and looks each hash up in a table of the hashes of
the texts' last windows. A hit is compared in full. Runs of whitespace count as one space on both
sides, so solutions with other indentation or line ends are found too (MBPP's have CR LF).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.benchmarks import MIN_BYTES, BenchmarkText
from filters.utf8 import Bytes, Offsets, collapse_whitespace, text_bytes
from manifests.prng.jit import compiled
from manifests.ranges import ranges_within

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

RULE = "benchmark"
"""Name of the rule in counts of rejections."""

WINDOW = MIN_BYTES
"""Number of bytes that are hashed."""

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Base of the polynomial hash modulo 2^64. The base is odd, so that no byte is lost."""

MIX = np.uint64(0xD6E8FEB86659FD93)
"""Multiplier that spreads a hash over its upper bits, which are the index of the tables."""

FILTER_BITS = 20
"""Bits of a hash that index the bitmap, which is read first: 128 kB, which stay in cache."""

PIECE = 16 << 20
"""Bytes of text whose whitespace is collapsed at a time."""

LOWER = np.array([ord(chr(b).lower()) if b < 128 else b for b in range(256)], np.uint8)


class Tables(NamedTuple):
    """n texts and a hash table of their last windows, in a form that compiled functions accept.

    Attributes:
        data: uint8, bytes of all texts in lower case with collapsed whitespace.
        offsets: int64 [n + 1], start of each text in `data`.
        slots: int64, hash table with open addressing: index of a text + 1, or 0.
        keys: uint64, hash in each slot.
        following: int64 [n], index + 1 of the next text with the same hash, or 0.
        bits: uint8, bitmap over the first FILTER_BITS bits of the hashes.
    """

    data: Bytes
    offsets: Offsets
    slots: Integers
    keys: Hashes
    following: Integers
    bits: Bytes


class BenchmarkIndex(NamedTuple):
    """The texts [n] of benchmarks, and their tables."""

    texts: Sequence[BenchmarkText]
    tables: Tables


def index_benchmarks(texts: Sequence[BenchmarkText]) -> BenchmarkIndex:
    """Return an index of texts, without texts that are too short or equal to an earlier text."""
    column = pa.array([text.text for text in texts], pa.large_string())
    folded, bounds = collapse_whitespace(*text_bytes(column))
    folded = LOWER[folded]
    first: dict[bytes, BenchmarkText] = {}
    for text, (start, stop) in zip(texts, pairwise(bounds.tolist()), strict=True):
        if stop - start >= WINDOW:
            first.setdefault(folded[start:stop].tobytes(), text)
    size = 1 << max(4, (4 * len(first)).bit_length())
    tables = Tables(
        data=np.frombuffer(b"".join(first), np.uint8),
        offsets=np.cumsum([0, *map(len, first)]).astype(np.int64),
        slots=np.zeros(size, np.int64),
        keys=np.zeros(size, np.uint64),
        following=np.zeros(len(first), np.int64),
        bits=np.zeros(1 << FILTER_BITS - 3, np.uint8),
    )
    _fill_tables(tables)
    return BenchmarkIndex(list(first.values()), tables)


def find(benchmarks: BenchmarkIndex, texts: Any) -> list[BenchmarkText | None]:
    """Return for each document the first text of a benchmark in it, or None.

    Args:
        benchmarks: the texts to search for.
        texts: Arrow strings [n]; null holds no text.
    """
    data, offsets = text_bytes(texts)
    hits = np.full(len(offsets) - 1, -1, np.int64)
    if not benchmarks.texts:
        return [None] * len(hits)
    for start, stop in ranges_within(offsets, PIECE):
        piece = collapse_whitespace(data, offsets[start : stop + 1])
        _find(*piece, benchmarks.tables, hits[start:stop])
    return [None if index < 0 else benchmarks.texts[index] for index in hits.tolist()]


@compiled()
def _fill_tables(tables: Tables) -> None:
    """Fill the other tables from `data` and `offsets`."""
    data, offsets, slots, keys, following, bits = tables
    for text in range(len(following) - 1, -1, -1):
        key = np.uint64(0)
        for i in range(offsets[text + 1] - WINDOW, offsets[text + 1]):
            key = key * BASE + np.uint64(data[i])
        mixed = key * MIX
        bit = mixed >> np.uint64(64 - FILTER_BITS)
        bits[bit >> np.uint64(3)] |= np.uint8(1 << (bit & np.uint64(7)))
        slot = np.int64(mixed >> np.uint64(32)) & (len(slots) - 1)
        while slots[slot] and keys[slot] != key:
            slot = (slot + 1) & (len(slots) - 1)
        following[text] = slots[slot]
        slots[slot] = text + 1
        keys[slot] = key


@compiled()
def _find(data: Bytes, offsets: Offsets, tables: Tables, hits: Integers) -> None:
    """Write the index of the first text in each document to `hits`, int64 [documents]."""
    sought, starts, slots, keys, following, bits = tables
    leaving = np.uint64(1)
    for _ in range(WINDOW):
        leaving *= BASE
    for document in range(len(hits)):
        first, stop = offsets[document], offsets[document + 1]
        key = np.uint64(0)
        for i in range(first, stop):
            key = key * BASE + np.uint64(LOWER[data[i]])
            if i - first >= WINDOW:
                key -= leaving * np.uint64(LOWER[data[i - WINDOW]])
            mixed = key * MIX
            bit = mixed >> np.uint64(64 - FILTER_BITS)
            if bits[bit >> np.uint64(3)] >> (bit & np.uint64(7)) & 1:
                text = _look_up(key, mixed, slots, keys)
                while text and not _ends_here(
                    data, first, i, sought, starts[text - 1], starts[text]
                ):
                    text = following[text - 1]
                if text:
                    hits[document] = text - 1
                    break


@compiled()
def _look_up(key: np.uint64, mixed: np.uint64, slots: Integers, keys: Hashes) -> int:
    """Return the slot's index + 1 of the first text with a hash, or 0."""
    slot = np.int64(mixed >> np.uint64(32)) & (len(slots) - 1)
    while slots[slot]:
        if keys[slot] == key:
            return int(slots[slot])
        slot = (slot + 1) & (len(slots) - 1)
    return 0


@compiled()
def _ends_here(data: Bytes, first: int, last: int, sought: Bytes, start: int, stop: int) -> bool:
    """Return whether a text ends with the document's byte at `last`."""
    if last - first + 1 < stop - start:
        return False
    back = 0
    while back < stop - start and LOWER[data[last - back]] == sought[stop - 1 - back]:
        back += 1
    return bool(back == stop - start)
