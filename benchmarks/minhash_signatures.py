"""Signatures on one core, shingling included: against datasketch, rensa, and rates that were set.

The same files and shingles on every side. datasketch has our hash and permutations too, and its
signatures are compared, bit by bit. rensa's RMinHash has its own; it is given the shingles of many
files at once, its fastest way for sets of strings, on one thread, and as many minima.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from datasketch import MinHash

from benchmarks.claims import Claim, main, medians, rate, say
from filters.dedup.minhash import Profile, load_profile, minima, signatures

RUNS = 5

PEER_FILES = int(os.environ.get("MINHASH_FILES", "300"))
"""Files that the peers hash: they are slow."""

ASKED = {"stack-v1.2-clean": 100.0, "stack-v1.2": 80.0}
"""MB/s on one core at 256 permutations."""

PACKAGES = ("numba", "numpy", "datasketch", "rensa", "xxhash")

THREADS = "RAYON_NUM_THREADS"
"""Rust's thread pool, which rensa runs on, has so many threads."""


def measure(data: Path) -> list[Claim]:
    """Measure both profiles over The Stack's part of a corpus."""
    # Read when rensa is imported.
    os.environ[THREADS] = "1"
    texts = read_texts(data)
    say(f"minhash_signatures: {len(texts):,} files, {texts.nbytes / 1e6:.0f} MB")
    return [*(own(texts, name) for name in ASKED), *peers(texts)]


def read_texts(data: Path) -> pa.Array:
    """Return all files of stack/data/LANG/*.parquet."""
    found = [
        pq.read_table(file, columns=["content"])["content"].cast(pa.large_string())
        for file in sorted(data.glob("stack/data/*/*.parquet"))
    ]
    return pa.chunked_array([chunk for each in found for chunk in each.chunks]).combine_chunks()


def own(texts: pa.Array, name: str) -> Claim:
    """Whole signatures, bands included, against the rate that was set."""
    profile = load_profile(name)
    [ours] = medians(RUNS, lambda: rate(lambda: hashed(texts, profile)) / 1e6)
    claim = f"signatures of {name}, MB/s on one core against the {ASKED[name]:.0f} set"
    return Claim(claim, ours, ASKED[name], 1, PACKAGES)


def hashed(texts: pa.Array, profile: Profile) -> int:
    """Sign texts and return their bytes."""
    signatures(texts, profile)
    return int(texts.nbytes)


def peers(texts: pa.Array) -> list[Claim]:
    """The same files by datasketch and by rensa, which take turns with ours."""
    profile = load_profile("stack-v1.2-clean")
    few = texts.take(np.linspace(0, len(texts) - 1, PEER_FILES).astype(np.int64))
    plain = few.to_pylist()
    expected = np.array([by_datasketch(text, profile) for text in plain])
    values, long_enough = minima(few, profile)
    if not np.array_equal(values[long_enough], expected[long_enough]):
        raise AssertionError("datasketch's signatures are other ones")

    def speed(work: Callable[[], object]) -> Callable[[], float]:
        def done() -> int:
            work()
            return int(few.nbytes)

        return lambda: rate(done) / 1e6

    ours, datasketch, rensa = medians(
        RUNS,
        speed(lambda: hashed(few, profile)),
        speed(lambda: [by_datasketch(text, profile) for text in plain]),
        speed(lambda: by_rensa(plain, profile)),
    )
    claim = "signatures of stack-v1.2-clean, shingling included, MB/s on one core, {}'s too"
    return [
        Claim(claim.format("datasketch"), ours, datasketch, 10, PACKAGES),
        Claim(claim.format("rensa"), ours, rensa, 4, PACKAGES),
    ]


def shingles(text: str, profile: Profile) -> set[str]:
    """Return the set of a text's shingles, as one would in Python."""
    tokens = [token for token in re.split(profile.separator, text) if token]
    count = max(0, len(tokens) - profile.shingle + 1)
    return {" ".join(tokens[i : i + profile.shingle]) for i in range(count)}


def by_rensa(texts: list[str], profile: Profile) -> object:
    """Return the minima of texts, as rensa has them."""
    from rensa import RMinHash

    sets = [list(shingles(text, profile)) for text in texts]
    return RMinHash.digest_matrix_from_token_sets(sets, profile.permutations, profile.seed)


def by_datasketch(text: str, profile: Profile) -> np.ndarray:
    """Return the 256 minima of a text."""
    sketch = MinHash(
        num_perm=profile.permutations,
        seed=profile.seed,
        scheme=profile.scheme,
        hashfunc=xxhash.xxh32_intdigest,
    )
    found = [shingle.encode() for shingle in shingles(text, profile)]
    if found:
        sketch.update_batch(found)
    return np.asarray(sketch.hashvalues)


if __name__ == "__main__":
    main("benchmarks.minhash_signatures", measure)
