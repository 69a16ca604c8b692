"""MinHash signatures of a batch: bit-identical to datasketch's MinHash, by a compiled kernel."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from filters.dedup.minhash_kernels import (
    Minima,
    differing,
    hash_bands,
    pack_bits,
    shingle_sets,
    sketch,
)
from filters.dedup.shingle_tokens import spaced
from filters.utf8 import Bytes, Offsets
from manifests.config import Config, load_config, shipped
from manifests.errors import UsageError
from manifests.io.digest import digest
from manifests.prng.jit import compiled

Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

PROFILES = Path(__file__).parent / "profiles"

CHUNK = 4096
"""Documents whose minima are held at once: 4 MB at 256 permutations."""


class Profile(Config):
    """What makes two documents near-duplicates."""

    name: str
    """How the profile is called."""
    version: int = Field(ge=1)
    """Raised with every change of the file."""
    origin: str
    """Where the numbers come from, in a sentence."""
    separator: str
    """Regular expression of what lies between two tokens; it must match a space."""
    lower: bool = False
    """Whether the text is lower-cased first."""
    keep_empty: bool = False
    """Whether the empty tokens between two separators count, as re.split gives them."""
    shingle: int = Field(ge=1, le=64)
    """Tokens of a shingle, joined by single spaces."""
    min_tokens: int = Field(ge=1)
    """Documents with fewer tokens have no signature."""
    hash: Literal["xxh32"] = "xxh32"
    """Hash of a shingle's UTF-8, as `xxhash.xxh32_intdigest`."""
    scheme: Literal["affine32"] = "affine32"
    """Permutation scheme, as datasketch 2.0 names and defines it."""
    seed: int = Field(ge=0, lt=2**32)
    """Seed of the permutations, as datasketch's."""
    permutations: int = Field(ge=1, le=4096)
    """Hash functions of a signature."""
    threshold: float = Field(gt=0, lt=1)
    """Jaccard similarity above which two documents should become candidates."""
    bands: int | None = Field(default=None, ge=1)
    """Bands of the signature; by datasketch's optimal-parameter rule when not given."""
    rows: int | None = Field(default=None, ge=1)
    """Permutations of a band, given together with `bands`."""

    @property
    def cut(self) -> tuple[int, int]:
        """Bands, and rows of each."""
        if self.bands and self.rows:
            return self.bands, self.rows
        return optimal_cut(self.threshold, self.permutations)

    @property
    def sketch_words(self) -> int:
        """64-bit words of a sketch: two bits for each permutation."""
        return -(-self.permutations // 32)

    @property
    def digest(self) -> str:
        """What changes when any signature may: 64 hexadecimal characters."""
        bands, rows = self.cut
        told = self.model_dump(exclude={"origin"})
        return digest({**told, "bands": bands, "rows": rows})


class Signatures(NamedTuple):
    """Signatures of n documents.

    Attributes:
        bands: uint64 [n, bands], XXH64 of each band's rows (little-endian uint32, the band's
            number as seed): equal in two documents when all rows of that band are. Hashes of
            different bands never stand for the same thing, so all may lie in one column.
            0 where there is no signature.
        has_signature: bool [n], False for documents too short for the profile.
        sketches: uint64 [n, words], two bits of each minimum; see `similarity`.
    """

    bands: Words
    has_signature: Mask
    sketches: Words


def load_profile(name: str) -> Profile:
    """Return a profile that ships with Stackpile, by name, or one from the path of a TOML file.

    Raises:
        UsageError: there is no such profile, or its file has faults.
    """
    name = shipped(PROFILES, name, "dedup profile")
    profile = load_config(name, Profile)
    _check_profile(name, profile)
    return profile


def _check_profile(path: str, profile: Profile) -> None:
    try:
        separator = re.compile(profile.separator)
    except re.error as error:
        raise UsageError(f"{path}: separator: is no regular expression: {error}") from None
    if not separator.fullmatch(" ") or separator.match(""):
        raise UsageError(f"{path}: separator: must match a space, and never nothing")
    if (profile.bands is None) != (profile.rows is None):
        raise UsageError(f"{path}: bands and rows: give both or neither")
    bands, rows = profile.cut
    if bands * rows > profile.permutations:
        raise UsageError(
            f"{path}: bands: {bands} bands of {rows} rows need {bands * rows} permutations, "
            f"and there are {profile.permutations}"
        )


@lru_cache
def optimal_cut(threshold: float, permutations: int) -> tuple[int, int]:
    """Return (bands, rows) with the least error at a threshold: false positives plus negatives.

    The rule of datasketch's MinHashLSH, which is CodeParrot's and BigCode's `optimal_param` too.
    """
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    return int(index.b), int(index.r)


def signatures(texts: Any, profile: Profile) -> Signatures:
    """Return the band hashes of Arrow strings [n].

    The minima under them are those of `datasketch.MinHash(num_perm=permutations, seed=seed,
    scheme=scheme, hashfunc=xxhash.xxh32_intdigest)` over the set of a document's shingles.
    """
    data, offsets = tokenized(texts, profile)
    count = len(offsets) - 1
    bands, rows = profile.cut
    hashes = np.zeros((count, bands), np.uint64)
    has_signature = np.empty(count, bool)
    sketches = np.zeros((count, profile.sketch_words), np.uint64)
    for start in range(0, count, CHUNK):
        chunk = slice(start, min(start + CHUNK, count))
        values, has_signature[chunk] = _minima(data, offsets[start : chunk.stop + 1], profile)
        hash_bands(values.view(np.uint8), rows, has_signature[chunk], hashes[chunk])
        pack_bits(values, sketches[chunk])
    return Signatures(hashes, has_signature, sketches)


def minima(texts: Any, profile: Profile) -> tuple[Minima, Mask]:
    """Return the signatures themselves: uint32 [n, permutations], and bool [n] as `Signatures`."""
    return _minima(*tokenized(texts, profile), profile)


def shingles(texts: Any, profile: Profile) -> tuple[Minima, Offsets]:
    """Return the set of shingles of Arrow strings [n], as `shingle_sets`."""
    data, offsets = tokenized(texts, profile)
    return shingle_sets(data, offsets, profile.shingle)


def similarity(left: Words, right: Words, permutations: int) -> npt.NDArray[np.float32]:
    """Estimate the Jaccard similarity of pairs of documents: sketches uint64 [n, words] -> [n].

    Two bits agree by chance in a quarter of the minima that differ. The standard error is at most
    0.043 at 256 permutations (0.035 where the similarity is 0.7).
    """
    found = np.empty(len(left), np.int64)
    _differences(left, right, found)
    return np.clip(1 - found * (4 / 3) / permutations, 0, 1).astype(np.float32)


@compiled()
def _differences(left: Words, right: Words, found: Offsets) -> None:
    for pair in range(len(found)):
        found[pair] = differing(left[pair], right[pair])


def tokenized(texts: Any, profile: Profile) -> tuple[Bytes, Offsets]:
    """Return the documents as tokens between single spaces."""
    return spaced(texts, profile.separator, profile.lower, profile.keep_empty)


def _minima(data: Bytes, offsets: Offsets, profile: Profile) -> tuple[Minima, Mask]:
    permutations = _permutations(profile.permutations, profile.seed)
    values, tokens = sketch(data, offsets, profile.shingle, permutations)
    return values, tokens >= max(profile.min_tokens, profile.shingle)


@lru_cache
def _permutations(count: int, seed: int) -> Minima:
    """Return the factors (odd) and terms of affine32, uint32 [2, count], as datasketch draws them.

    Not asked of datasketch, which imports scipy: 0.2 seconds of every worker's start.
    """
    draw = np.random.RandomState(seed)
    factors = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.array([factors, draw.randint(0, 1 << 32, count, dtype=np.uint32)])
