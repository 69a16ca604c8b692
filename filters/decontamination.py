"""Which documents hold a text of a benchmark: rolling hashes over the batch, then a comparison.

BigCode drops a file that holds such a text, in any letter case (bigcode-dataset
decontamination/find_substrings.py), at a cost of files times texts. Here each text is known by the
hash of its last WINDOW bytes: a document's windows are looked up as they roll by, and the few
that are found are compared in full. Runs of whitespace are one space on both sides, so a solution
with other indentation or line ends is found too (MBPP's own has CR LF).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.benchmarks import LEAST, Text
from filters.utf8 import Bytes, Offsets, collapse_whitespace, text_bytes
from manifests.prng.jit import compiled

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

RULE = "benchmark"
"""The rule under which a rejection is counted."""

WINDOW = LEAST
"""Bytes that are hashed."""

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the polynomial hash, modulo 2^64: odd, so that no byte is lost."""

MIX = np.uint64(0xD6E8FEB86659FD93)
"""Spreads a hash over its upper bits, which tables are indexed by."""

FILTER_BITS = 20
"""Bits of a hash that a table of single bits is asked for first: 128 kB, which stay in cache."""

PIECE = 16 << 20
"""Bytes of text that are made ready at once."""

LOWER = np.array([ord(chr(b).lower()) if b < 128 else b for b in range(256)], np.uint8)


@dataclass(frozen=True)
class Benchmarks:
    """Texts to look for, n of them, ready for the kernel.

    Attributes:
        texts: what each of them is.
        data: their bytes, folded: uint8.
        offsets: where each starts: int64 [n + 1].
        slots: hash table, open addressing: index of a text + 1, or 0.
        keys: the hash in each slot.
        following: for each text, the next one with the same hash + 1, or 0.
        bits: one bit for each value of a hash's first FILTER_BITS bits.
    """

    texts: Sequence[Text]
    data: Bytes
    offsets: Offsets
    slots: Integers
    keys: Hashes
    following: Integers
    bits: Bytes


def make_benchmarks(texts: Sequence[Text]) -> Benchmarks:
    """Fold texts, leave out those that are equal to an earlier one or too short, and index them."""
    folded = _fold(pa.array([text.text for text in texts], pa.large_string()))
    first: dict[bytes, Text] = {}
    for text, (start, stop) in zip(texts, _spans(folded[1]), strict=True):
        if stop - start >= WINDOW:
            first.setdefault(folded[0][start:stop].tobytes(), text)
    data = np.frombuffer(b"".join(first), np.uint8)
    offsets = np.cumsum([0, *map(len, first)]).astype(np.int64)
    size = 1 << max(4, (4 * len(first)).bit_length())
    made = Benchmarks(
        texts=list(first.values()),
        data=data,
        offsets=offsets,
        slots=np.zeros(size, np.int64),
        keys=np.zeros(size, np.uint64),
        following=np.zeros(len(first), np.int64),
        bits=np.zeros(1 << FILTER_BITS - 3, np.uint8),
    )
    _index(data, offsets, made.slots, made.keys, made.following, made.bits)
    return made


def find(benchmarks: Benchmarks, texts: Any) -> list[Text | None]:
    """Return the text of a benchmark that each document holds, the first one in it; None for none.

    Args:
        benchmarks: what is looked for.
        texts: Arrow strings [n]; null holds nothing.
    """
    data, offsets = text_bytes(texts)
    found = np.full(len(offsets) - 1, -1, np.int64)
    if not benchmarks.texts:
        return [None] * len(found)
    start = 0
    while start < len(found):
        stop = int(np.searchsorted(offsets, offsets[start] + PIECE, "right"))
        stop = min(max(stop - 1, start + 1), len(found))
        piece = collapse_whitespace(data, offsets[start : stop + 1])
        _find(
            *piece,
            benchmarks.data,
            benchmarks.offsets,
            benchmarks.slots,
            benchmarks.keys,
            benchmarks.following,
            benchmarks.bits,
            found[start:stop],
        )
        start = stop
    return [None if index < 0 else benchmarks.texts[index] for index in found.tolist()]


def _fold(texts: Any) -> tuple[Bytes, Offsets]:
    data, offsets = collapse_whitespace(*text_bytes(texts))
    return LOWER[data], offsets


def _spans(offsets: Offsets) -> list[tuple[int, int]]:
    places = offsets.tolist()
    return list(pairwise(places))


@compiled()
def _index(
    data: Bytes, offsets: Offsets, slots: Integers, keys: Hashes, following: Integers, bits: Bytes
) -> None:
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
def _find(
    data: Bytes,
    offsets: Offsets,
    sought: Bytes,
    sought_offsets: Offsets,
    slots: Integers,
    keys: Hashes,
    following: Integers,
    bits: Bytes,
    found: Integers,
) -> None:
    leaving = np.uint64(1)
    for _ in range(WINDOW):
        leaving *= BASE
    for document in range(len(found)):
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
                    data, first, i, sought, sought_offsets[text - 1], sought_offsets[text]
                ):
                    text = following[text - 1]
                if text:
                    found[document] = text - 1
                    break


@compiled()
def _look_up(key: np.uint64, mixed: np.uint64, slots: Integers, keys: Hashes) -> int:
    slot = np.int64(mixed >> np.uint64(32)) & (len(slots) - 1)
    while slots[slot]:
        if keys[slot] == key:
            return int(slots[slot])
        slot = (slot + 1) & (len(slots) - 1)
    return 0


@compiled()
def _ends_here(data: Bytes, first: int, last: int, sought: Bytes, start: int, stop: int) -> bool:
    """Tell whether a text ends with the document's byte at `last`."""
    if last - first + 1 < stop - start:
        return False
    back = 0
    while back < stop - start and LOWER[data[last - back]] == sought[stop - 1 - back]:
        back += 1
    return bool(back == stop - start)
