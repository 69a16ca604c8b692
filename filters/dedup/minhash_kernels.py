"""The inner loops of MinHash, compiled: shingles to minima, minima to band hashes."""

import numpy as np
import numpy.typing as npt

from filters.dedup.xxhash_kernels import xxh32, xxh64
from filters.utf8 import Bytes, Offsets
from manifests.prng.jit import compiled

Minima = npt.NDArray[np.uint32]

SEEN = 1 << 14
"""Slots of the table that skips shingles seen before, at most; 64 kB lie in a core's own cache."""


BLOCK = 1 << 10
"""Bytes in which tokens are found at once: their ends lie in a core's own cache."""


@compiled()
def sketch(
    data: Bytes, offsets: Offsets, shingle: int, permutations: Minima
) -> tuple[Minima, Offsets]:
    """Return the MinHash of each of n documents, datasketch's scheme affine32 over XXH32.

    Args:
        data: uint8, documents as tokens between single spaces.
        offsets: int64 [n + 1].
        shingle: tokens of a shingle.
        permutations: uint32 [2, permutations], factors and terms.

    Returns:
        uint32 [n, permutations], 2^32 - 1 where there is no shingle; int64 [n], tokens.
    """
    minima = np.full((len(offsets) - 1, permutations.shape[1]), np.uint32(2**32 - 1))
    tokens = np.zeros(len(offsets) - 1, np.int64)
    ends = np.empty(shingle + BLOCK + 1, np.int64)
    table = np.empty(SEEN, np.uint32)
    for document in range(len(tokens)):
        i, stop = offsets[document], offsets[document + 1]
        seen = _emptied(table, stop - i)
        ends[0] = i - 1
        have = 1
        while i < stop:
            have = _append_ends(data, i, min(i + BLOCK, stop), stop, ends, have)
            i += BLOCK
            for end in range(shingle, have):
                value = xxh32(data, ends[end - shingle] + 1, ends[end])
                slot = value & np.uint32(len(seen) - 1)
                if seen[slot] != value:
                    seen[slot] = value
                    _lower(minima[document], _mixed(value), permutations)
            # The last ends of this block are the starts of the next one's first shingles.
            over = max(0, have - shingle)
            ends[: have - over] = ends[over:have]
            have -= over
            tokens[document] += over
        tokens[document] += have - 1
    return minima, tokens


@compiled(inline=True)
def _append_ends(data: Bytes, start: int, limit: int, stop: int, ends: Offsets, have: int) -> int:
    """Append where tokens end in data[start:limit] of a document that stops at `stop`.

    Found before they are hashed, a block at a time, because a branch at every byte would be guessed
    wrong at every token.
    """
    for i in range(start, limit):
        ends[have] = i
        have += data[i] == 32
    if limit == stop:
        ends[have] = stop
        have += 1
    return have


@compiled()
def shingle_sets(data: Bytes, offsets: Offsets, shingle: int) -> tuple[Minima, Offsets]:
    """Return the set of shingles of each of n documents, as hashes.

    Args:
        data: uint8, documents as tokens between single spaces.
        offsets: int64 [n + 1].
        shingle: tokens of a shingle.

    Returns:
        uint32, XXH32 of each document's shingles, ascending, each once; int64 [n + 1], where each
        document's start.
    """
    values = np.empty(np.sum(data[offsets[0] : offsets[-1]] == 32) + len(offsets), np.uint32)
    places = np.zeros(len(offsets), np.int64)
    starts = np.zeros(shingle, np.int64)
    for document in range(len(offsets) - 1):
        begin, stop = offsets[document], offsets[document + 1]
        first = at = places[document]
        count = 0
        for i in range(begin, stop + (stop > begin)):
            if i < stop and data[i] != 32:
                continue
            starts[count % shingle] = begin
            begin = i + 1
            count += 1
            if count >= shingle:
                values[at] = xxh32(data, starts[count % shingle], i)
                at += 1
        places[document + 1] = first + _unique(values[first:at])
    return values[: places[-1]], places


@compiled()
def jaccard(left: Minima, right: Minima) -> float:
    """Return the Jaccard similarity of two sets, ascending; 0 for two empty ones."""
    shared = i = j = 0
    while i < len(left) and j < len(right):
        shared += left[i] == right[j]
        smaller, larger = left[i] <= right[j], left[i] >= right[j]
        i += smaller
        j += larger
    return shared / max(1, len(left) + len(right) - shared)


@compiled()
def _unique(values: Minima) -> int:
    """Sort values, move each once to the front, and return how many there are."""
    values.sort()
    found = 0
    for i in range(len(values)):
        if i == 0 or values[i] != values[found - 1]:
            values[found] = values[i]
            found += 1
    return found


@compiled()
def hash_bands(
    minima: Bytes, rows: int, wanted: npt.NDArray[np.bool_], hashes: npt.NDArray[np.uint64]
) -> None:
    """Fill uint64 [n, bands] with XXH64 of each band's rows, the band's number as seed.

    Args:
        minima: uint8 [n, 4 x permutations], the bytes of `sketch`'s minima.
        rows: permutations of a band.
        wanted: bool [n], the documents to fill.
        hashes: uint64 [n, bands].
    """
    for document in range(len(hashes)):
        if wanted[document]:
            for band in range(hashes.shape[1]):
                start = 4 * band * rows
                hashes[document, band] = xxh64(minima[document], start, start + 4 * rows, band)


@compiled()
def pack_bits(minima: Minima, sketches: npt.NDArray[np.uint64]) -> None:
    """Fill uint64 [n, ceil(permutations / 32)] with two bits of a hash of each minimum.

    Two bits say what similarity is nearly as well as all 32: "b-bit minwise hashing" (Li and
    König, WWW 2010). Of a hash, because minima themselves are small numbers.
    """
    for document in range(len(minima)):
        for k in range(minima.shape[1]):
            bits = np.uint64(_mixed(minima[document, k]) >> np.uint32(30))
            sketches[document, k >> 5] |= bits << np.uint64(2 * (k & 31))


@compiled(inline=True)
def differing(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> int:
    """Return how many minima of two documents differ in their two bits: uint64 [words] twice."""
    total = np.uint64(0)
    for word in range(len(left)):
        bits = left[word] ^ right[word]
        bits = (bits | bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
        bits = (bits & np.uint64(0x3333333333333333)) + (
            bits >> np.uint64(2) & np.uint64(0x3333333333333333)
        )
        bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += bits * np.uint64(0x0101010101010101) >> np.uint64(56)
    return int(total)


@compiled(inline=True)
def _emptied(table: Minima, size: int) -> Minima:
    """Return as many slots, a power of two, as suit a document of `size` bytes."""
    slots = 64
    while slots < len(table) and slots < size >> 3:
        slots <<= 1
    for slot in range(slots):
        # A value that belongs in another slot, so that no hash is taken for one seen before.
        table[slot] = slot + 1
    return table[:slots]


@compiled(inline=True)
def _mixed(value: np.uint32) -> np.uint32:
    """MurmurHash3's finalizer, which datasketch's affine schemes put before the permutations."""
    value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@compiled(inline=True)
def _lower(minima: Minima, value: np.uint32, permutations: Minima) -> None:
    factors, terms = permutations[0], permutations[1]
    for k in range(len(minima)):
        minima[k] = min(minima[k], np.uint32(factors[k] * value + terms[k]))
