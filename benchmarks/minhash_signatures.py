"""Signatures on one core, shingling included: against datasketch, and against rates that were set.

The same hash, permutations and files in both; datasketch's signatures are compared, bit by bit.
"""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from datasketch import MinHash

from benchmarks.claims import Claim, main, medians, rate, say
from filters.minhash import Profile, load_profile, minima, signatures

RUNS = 5

PEER_FILES = 300
"""Files that datasketch hashes: it is slow."""

ASKED = {"stack-v1.2-clean": 100.0, "stack-v1.2": 80.0}
"""MB/s on one core at 256 permutations."""

PACKAGES = ("numba", "numpy", "datasketch", "xxhash")


def measure(data: Path) -> list[Claim]:
    """Measure both profiles over The Stack's part of a corpus."""
    texts = read_texts(data)
    say(f"minhash_signatures: {len(texts):,} files, {texts.nbytes / 1e6:.0f} MB")
    return [*(own(texts, name) for name in ASKED), peer(texts)]


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


def peer(texts: pa.Array) -> Claim:
    """The same signatures by datasketch, of files spread over all."""
    profile = load_profile("stack-v1.2-clean")
    few = texts.take(np.linspace(0, len(texts) - 1, PEER_FILES).astype(np.int64))
    expected = np.array([by_datasketch(text, profile) for text in few.to_pylist()])
    values, long_enough = minima(few, profile)
    if not np.array_equal(values[long_enough], expected[long_enough]):
        raise AssertionError("datasketch's signatures are other ones")

    def theirs() -> int:
        for text in few.to_pylist():
            by_datasketch(text, profile)
        return int(few.nbytes)

    ours, peers = medians(
        RUNS, lambda: rate(lambda: hashed(texts, profile)) / 1e6, lambda: rate(theirs) / 1e6
    )
    claim = "signatures of stack-v1.2-clean, shingling included, MB/s on one core, datasketch's too"
    return Claim(claim, ours, peers, 10, PACKAGES)


def by_datasketch(text: str, profile: Profile) -> np.ndarray:
    """Return the 256 minima of a text."""
    tokens = [token for token in re.split(profile.separator, text) if token]
    count = max(0, len(tokens) - profile.shingle + 1)
    shingles = {" ".join(tokens[i : i + profile.shingle]).encode() for i in range(count)}
    sketch = MinHash(
        num_perm=profile.permutations,
        seed=profile.seed,
        scheme=profile.scheme,
        hashfunc=xxhash.xxh32_intdigest,
    )
    if shingles:
        sketch.update_batch(list(shingles))
    return np.asarray(sketch.hashvalues)


if __name__ == "__main__":
    main("benchmarks.minhash_signatures", measure)
