"""Compiled loops of MinHash: from shingles to minima, and from minima to band hashes."""

import numpy as np
import numpy.typing as npt

from filters.dedup.xxhash_kernels import xxh32
from filters.utf8 import Bytes, Offsets
from manifests.prng.jit import compiled
from manifests.prng.splitmix import derive

Minima = npt.NDArray[np.uint32]

MAX_SLOTS = 1 << 14
"""Largest size of the table of recent hashes, in slots. Its 64 kB fit into a core's L2 cache."""

BLOCK = 1 << 10
"""Bytes of text whose token ends are collected at once. The ends fit into a core's L1 cache."""


@compiled()
def compute_minima(
    data: Bytes, offsets: Offsets, shingle: int, permutations: Minima
) -> tuple[Minima, Offsets]:
    """Return the minima of each of n documents by datasketch's scheme affine32 over XXH32.

    Args:
        data: uint8, the tokens of all documents, joined by single spaces.
        offsets: int64 [n + 1], the start of each document in `data`.
        shingle: number of tokens of a shingle.
        permutations: uint32 [2, permutations], factors and terms.

    Returns:
        minima: uint32 [n, permutations], 2^32 - 1 where the document has no shingle.
        tokens: int64 [n], number of tokens of each document.
    """
    minima = np.full((len(offsets) - 1, permutations.shape[1]), np.uint32(2**32 - 1))
    tokens = np.zeros(len(offsets) - 1, np.int64)
    ends = np.empty(shingle + BLOCK + 1, np.int64)
    table = np.empty(MAX_SLOTS, np.uint32)
    for document in range(len(tokens)):
        i, stop = offsets[document], offsets[document + 1]
        recent = _clear(table, stop - i)
        ends[0] = i - 1
        count = 1
        while i < stop:
            count = _append_ends(data, i, min(i + BLOCK, stop), stop, ends, count)
            i += BLOCK
            for end in range(shingle, count):
                value = xxh32(data, ends[end - shingle] + 1, ends[end])
                # A shingle that occurred before cannot lower a minimum.
                slot = value & np.uint32(len(recent) - 1)
                if recent[slot] != value:
                    recent[slot] = value
                    _lower(minima[document], _murmur_mix(value), permutations)
            # The last ends of a block are the starts of the first shingles of the next block.
            done = max(0, count - shingle)
            ends[: count - done] = ends[done:count]
            count -= done
            tokens[document] += done
        tokens[document] += count - 1
    return minima, tokens


@compiled(inline=True)
def _append_ends(data: Bytes, start: int, limit: int, stop: int, ends: Offsets, count: int) -> int:
    """Append the ends of the tokens in data[start:limit] to `ends`, and return the new count.

    The document ends at `stop`. This loop has no branch: a branch for each byte would be
    mispredicted at every token.
    """
    for i in range(start, limit):
        ends[count] = i
        count += data[i] == 32
    if limit == stop:
        ends[count] = stop
        count += 1
    return count


@compiled()
def shingle_sets(data: Bytes, offsets: Offsets, shingle: int) -> tuple[Minima, Offsets]:
    """Return the set of shingle hashes of each of n documents.

    Args:
        data: uint8, the tokens of all documents, joined by single spaces.
        offsets: int64 [n + 1], the start of each document in `data`.
        shingle: number of tokens of a shingle.

    Returns:
        hashes: uint32, the distinct XXH32 hashes of the shingles of each document, ascending.
        starts: int64 [n + 1], the start of each document in `hashes`.
    """
    hashes = np.empty(np.sum(data[offsets[0] : offsets[-1]] == 32) + len(offsets), np.uint32)
    starts = np.zeros(len(offsets), np.int64)
    begins = np.zeros(shingle, np.int64)
    for document in range(len(offsets) - 1):
        begin, stop = offsets[document], offsets[document + 1]
        first = end = starts[document]
        count = 0
        for i in range(begin, stop + (stop > begin)):
            if i < stop and data[i] != 32:
                continue
            begins[count % shingle] = begin
            begin = i + 1
            count += 1
            if count >= shingle:
                hashes[end] = xxh32(data, begins[count % shingle], i)
                end += 1
        starts[document + 1] = first + _unique(hashes[first:end])
    return hashes[: starts[-1]], starts


@compiled()
def jaccard(left: Minima, right: Minima) -> float:
    """Return the Jaccard similarity of two sets, given as ascending arrays; 0 if both are empty."""
    shared = i = j = 0
    while i < len(left) and j < len(right):
        shared += left[i] == right[j]
        smaller, larger = left[i] <= right[j], left[i] >= right[j]
        i += smaller
        j += larger
    return shared / max(1, len(left) + len(right) - shared)


@compiled()
def _unique(values: Minima) -> int:
    """Sort `values` in place, move the distinct ones to the front, and return their number."""
    values.sort()
    count = 0
    for i in range(len(values)):
        if i == 0 or values[i] != values[count - 1]:
            values[count] = values[i]
            count += 1
    return count


@compiled()
def hash_bands(
    minima: Minima, rows: int, selected: npt.NDArray[np.bool_], hashes: npt.NDArray[np.uint64]
) -> None:
    """Fill `hashes` with a hash of the minima of each band.

    The hash of a band is a chain of SplitMix64 keys: it starts with the number of the band, and
    each minimum derives the next key. Equal minima of different bands have different hashes.

    Args:
        minima: uint32 [n, permutations].
        rows: number of minima of a band.
        selected: bool [n], the documents to hash.
        hashes: uint64 [n, bands], output.
    """
    for document in range(len(hashes)):
        if selected[document]:
            for band in range(hashes.shape[1]):
                key = np.uint64(band)
                for minimum in minima[document, band * rows : (band + 1) * rows]:
                    key = derive(key, minimum)
                hashes[document, band] = key


@compiled()
def pack_bits(minima: Minima, sketches: npt.NDArray[np.uint64]) -> None:
    """Fill `sketches` with two bits of a hash of each minimum (b-bit minwise hashing).

    Two bits estimate similarity nearly as well as all 32 (Li and König, WWW 2010). The minima are
    hashed first, because minima are small numbers and their high bits are mostly 0.

    Args:
        minima: uint32 [n, permutations].
        sketches: uint64 [n, ceil(permutations / 32)], zeros; output.
    """
    for document in range(len(minima)):
        for k in range(minima.shape[1]):
            bits = np.uint64(_murmur_mix(minima[document, k]) >> np.uint32(30))
            sketches[document, k >> 5] |= bits << np.uint64(2 * (k & 31))


@compiled(inline=True)
def count_differing(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> int:
    """Return the number of minima whose two bits differ in two sketches, uint64 [words] each."""
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
def _clear(table: Minima, size: int) -> Minima:
    """Return the first slots of `table`, emptied: a power of two for a document of `size` bytes."""
    slots = 64
    while slots < len(table) and slots < size >> 3:
        slots <<= 1
    for slot in range(slots):
        # This value belongs in another slot, so it equals no hash that is looked up here.
        table[slot] = slot + 1
    return table[:slots]


@compiled(inline=True)
def _murmur_mix(value: np.uint32) -> np.uint32:
    """Return MurmurHash3's finalizer, which datasketch applies before the permutations."""
    value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@compiled(inline=True)
def _lower(minima: Minima, value: np.uint32, permutations: Minima) -> None:
    """Lower the minima of a document to the permutations of `value` that are smaller."""
    factors, terms = permutations[0], permutations[1]
    for k in range(len(minima)):
        minima[k] = min(minima[k], np.uint32(factors[k] * value + terms[k]))
