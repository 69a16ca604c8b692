"""MinHash signatures of a batch of texts, bit-identical to datasketch's MinHash."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from filters.dedup.minhash_kernels import (
    Minima,
    compute_minima,
    count_differing,
    hash_bands,
    pack_bits,
    shingle_sets,
)
from filters.dedup.shingle_tokens import join_tokens
from filters.utf8 import Bytes, Offsets
from manifests.config import Config, load_config, shipped
from manifests.errors import UsageError
from manifests.io.digest import digest
from manifests.prng.jit import compiled

Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

DIFFERING = 3 / 4
"""Share of the unequal minima of two documents whose two bits in a sketch differ, by chance."""

PROFILES = Path(__file__).parent / "profiles"

CHUNK = 4096
"""Documents whose minima are in memory at once: 4 MB at 256 permutations."""


class Profile(Config):
    """The parameters of MinHash signatures and of the search for near-duplicates."""

    name: str
    """Name of the profile."""
    version: int = Field(ge=1)
    """Version of the profile, increased with every change of the file."""
    origin: str
    """Source of the numbers, as a sentence."""
    separator: str
    """Regular expression that matches between two tokens; it must match a space."""
    lower: bool = False
    """Whether the text is lower-cased before it is split."""
    keep_empty: bool = False
    """Whether the empty tokens that re.split returns between two separators count."""
    shingle: int = Field(ge=1, le=64)
    """Tokens of a shingle. They are joined by single spaces."""
    min_tokens: int = Field(ge=1)
    """Documents with fewer tokens have no signature."""
    hash: Literal["xxh32"] = "xxh32"
    """Hash of the UTF-8 bytes of a shingle, equal to `xxhash.xxh32_intdigest`. Ours: 32 bits, as
    the scheme needs."""
    scheme: Literal["affine32"] = "affine32"
    """Permutation scheme. Published: datasketch 2.0's."""
    seed: int = Field(ge=0, lt=2**32)
    """Seed of the permutations, as in datasketch."""
    permutations: int = Field(ge=1, le=4096)
    """Number of hash functions, and of minima in a signature."""
    threshold: float = Field(gt=0, lt=1)
    """Jaccard similarity at and above which two documents count as near-duplicates."""
    bands: int | None = Field(default=None, ge=1)
    """Bands of the signature. By default the optimal number. Published: datasketch's rule."""
    rows: int | None = Field(default=None, ge=1)
    """Minima of a band. Must be given together with `bands`."""

    @property
    def banding(self) -> tuple[int, int]:
        """The number of bands, and the number of rows of each band."""
        if self.bands and self.rows:
            return self.bands, self.rows
        return optimal_banding(self.threshold, self.permutations)

    @property
    def sketch_words(self) -> int:
        """Number of 64-bit words of a sketch, which holds two bits for each minimum."""
        return -(-self.permutations // 32)

    @property
    def digest(self) -> str:
        """Digest of every parameter that may change a signature: 64 hexadecimal characters."""
        bands, rows = self.banding
        return digest({**self.model_dump(exclude={"origin"}), "bands": bands, "rows": rows})


class Signatures(NamedTuple):
    """Signatures of n documents.

    Attributes:
        bands: uint64 [n, bands], the hash of each band, see `hash_bands`. Two documents have the
            same hash if all minima of the band are equal. 0 where there is no signature.
        has_signature: bool [n], False for documents too short for the profile.
        sketches: uint64 [n, words], two bits of each minimum, see `similarity`.
    """

    bands: Words
    has_signature: Mask
    sketches: Words


def load_profile(name: str) -> Profile:
    """Return a profile by the name under which it ships, or by the path of a TOML file.

    Raises:
        UsageError: the profile does not exist, or its file is invalid.
    """
    name = shipped(PROFILES, name, "dedup profile")
    profile = load_config(name, Profile)
    _check_profile(name, profile)
    return profile


def _check_profile(path: str, profile: Profile) -> None:
    """Raise UsageError for a separator or a banding that cannot be used."""
    try:
        separator = re.compile(profile.separator)
    except re.error as error:
        raise UsageError(f"{path}: separator: is not a regular expression: {error}") from None
    if not separator.fullmatch(" ") or separator.match(""):
        raise UsageError(f"{path}: separator: must match a space, and not the empty string")
    if (profile.bands is None) != (profile.rows is None):
        raise UsageError(f"{path}: bands and rows: must be given together")
    bands, rows = profile.banding
    if bands * rows > profile.permutations:
        raise UsageError(
            f"{path}: bands: {bands} bands of {rows} rows need {bands * rows} permutations, "
            f"but the profile has {profile.permutations}"
        )


@lru_cache
def optimal_banding(threshold: float, permutations: int) -> tuple[int, int]:
    """Return (bands, rows) with the smallest sum of false positives and negatives at a threshold.

    This is the rule of datasketch's MinHashLSH and of `optimal_param` of CodeParrot and BigCode.
    """
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    return int(index.b), int(index.r)


def signatures(texts: Any, profile: Profile) -> Signatures:
    """Return the signatures of Arrow strings [n].

    The minima are those of `datasketch.MinHash(num_perm=permutations, seed=seed,
    scheme=scheme, hashfunc=xxhash.xxh32_intdigest)` over the set of a document's shingles.
    """
    data, offsets = tokenized(texts, profile)
    count = len(offsets) - 1
    bands, rows = profile.banding
    hashes = np.zeros((count, bands), np.uint64)
    has_signature = np.empty(count, bool)
    sketches = np.zeros((count, profile.sketch_words), np.uint64)
    for start in range(0, count, CHUNK):
        chunk = slice(start, min(start + CHUNK, count))
        values, has_signature[chunk] = _minima(data, offsets[start : chunk.stop + 1], profile)
        hash_bands(values, rows, has_signature[chunk], hashes[chunk])
        pack_bits(values, sketches[chunk])
    return Signatures(hashes, has_signature, sketches)


def minima(texts: Any, profile: Profile) -> tuple[Minima, Mask]:
    """Return the minima, uint32 [n, permutations], and `has_signature`, bool [n]."""
    return _minima(*tokenized(texts, profile), profile)


def shingles(texts: Any, profile: Profile) -> tuple[Minima, Offsets]:
    """Return the hashes of the distinct shingles of Arrow strings [n], as `shingle_sets` does."""
    data, offsets = tokenized(texts, profile)
    return shingle_sets(data, offsets, profile.shingle)


def similarity(left: Words, right: Words, permutations: int) -> npt.NDArray[np.float32]:
    """Estimate the Jaccard similarity of n pairs of documents.

    Two bits agree by chance where minima differ, see DIFFERING. The standard error is at most
    0.043 at 256 permutations (0.035 where the similarity is 0.7).

    Args:
        left: sketches, uint64 [n, words].
        right: sketches, uint64 [n, words].
        permutations: number of minima in a signature.

    Returns:
        float32 [n].
    """
    counts = _count_differing_pairs(left, right)
    return np.clip(1 - counts * (1 / DIFFERING) / permutations, 0, 1).astype(np.float32)


@compiled()
def _count_differing_pairs(left: Words, right: Words) -> Offsets:
    """Return the number of differing minima of n pairs of sketches, int64 [n]."""
    counts = np.empty(len(left), np.int64)
    for pair in range(len(counts)):
        counts[pair] = count_differing(left[pair], right[pair])
    return counts


def tokenized(texts: Any, profile: Profile) -> tuple[Bytes, Offsets]:
    """Return the tokens of each document, joined by single spaces."""
    return join_tokens(texts, profile.separator, profile.lower, profile.keep_empty)


def _minima(data: Bytes, offsets: Offsets, profile: Profile) -> tuple[Minima, Mask]:
    """Return the minima of tokenized documents, and whether each is long enough."""
    permutations = _permutations(profile.permutations, profile.seed)
    values, tokens = compute_minima(data, offsets, profile.shingle, permutations)
    return values, tokens >= max(profile.min_tokens, profile.shingle)


@lru_cache
def _permutations(count: int, seed: int) -> Minima:
    """Return the odd factors and the terms of affine32, uint32 [2, count], as in datasketch.

    datasketch itself is not imported, because it imports scipy: 0.2 s at the start of each worker.
    """
    draw = np.random.RandomState(seed)
    factors = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.array([factors, draw.randint(0, 1 << 32, count, dtype=np.uint32)])
