"""Measure signatures on one core, with shingling, against datasketch, rensa and a ceiling.

The ceiling is BLAKE2b of each text, which exact deduplication needs. The peers sign the same files
with the same shingles. datasketch has the same hash and permutations, so its minima must be equal.
rensa's RMinHash has its own; it gets the shingles of all files in one call, which is its fastest
way for sets of strings, on one thread and with the same number of minima.
"""

import hashlib
import os
import re
from collections.abc import Callable
from functools import partial
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
"""Files that the peers sign."""

GOALS = {"stack-v1.2-clean": 0.15, "stack-v1.2": 0.09}
"""Profile -> share of the rate of BLAKE2b, at 256 permutations. Ours: four fifths of what was
measured when they were set."""

PACKAGES = ("numba", "numpy", "datasketch", "rensa", "xxhash")

THREADS = "RAYON_NUM_THREADS"
"""Environment variable for the number of threads of rensa."""


def measure(data: Path) -> list[Claim]:
    """Measure both profiles on the files of The Stack in a corpus."""
    # rensa reads the variable when it is imported.
    os.environ[THREADS] = "1"
    texts = read_texts(data)
    say(f"minhash_signatures: {len(texts):,} files, {texts.nbytes / 1e6:.0f} MB")
    return [*ceiling(texts), *peers(texts)]


def read_texts(data: Path) -> pa.Array:
    """Return all files of stack/data/LANG/*.parquet."""
    columns = [
        pq.read_table(file, columns=["content"])["content"].cast(pa.large_string())
        for file in sorted(data.glob("stack/data/*/*.parquet"))
    ]
    return pa.chunked_array(
        [chunk for column in columns for chunk in column.chunks]
    ).combine_chunks()


def ceiling(texts: pa.Array) -> list[Claim]:
    """Compare whole signatures, with the hashes of bands, with BLAKE2b of the same texts."""
    encoded = [text.encode() for text in texts.to_pylist()]

    def blake2b() -> int:
        for text in encoded:
            hashlib.blake2b(text, digest_size=16).digest()
        return int(texts.nbytes)

    profiles = [load_profile(name) for name in GOALS]
    rates = [partial(rate, partial(hashed, texts, profile)) for profile in profiles]
    *ours, hashing = medians(RUNS, *rates, partial(rate, blake2b))
    return [
        Claim(
            f"signatures of {name}, MB/s on one core, against BLAKE2b of the texts",
            own / 1e6,
            hashing / 1e6,
            goal,
            PACKAGES,
        )
        for (name, goal), own in zip(GOALS.items(), ours, strict=True)
    ]


def hashed(texts: pa.Array, profile: Profile) -> int:
    """Sign texts and return their bytes."""
    signatures(texts, profile)
    return int(texts.nbytes)


def peers(texts: pa.Array) -> list[Claim]:
    """Compare signatures of the same files with datasketch and with rensa, in turns."""
    profile = load_profile("stack-v1.2-clean")
    few = texts.take(np.linspace(0, len(texts) - 1, PEER_FILES).astype(np.int64))
    plain = few.to_pylist()
    expected = np.array([by_datasketch(text, profile) for text in plain])
    values, long_enough = minima(few, profile)
    if not np.array_equal(values[long_enough], expected[long_enough]):
        raise AssertionError("the minima differ from datasketch's")

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
    claim = "signatures of stack-v1.2-clean, shingling included, MB/s on one core, against {}"
    return [
        Claim(claim.format("datasketch"), ours, datasketch, 10, PACKAGES),
        Claim(claim.format("rensa"), ours, rensa, 4, PACKAGES),
    ]


def shingles(text: str, profile: Profile) -> set[str]:
    """Return the set of shingles of a text, in plain Python."""
    tokens = [token for token in re.split(profile.separator, text) if token]
    count = max(0, len(tokens) - profile.shingle + 1)
    return {" ".join(tokens[i : i + profile.shingle]) for i in range(count)}


def by_rensa(texts: list[str], profile: Profile) -> object:
    """Return the minima of texts by rensa."""
    from rensa import RMinHash

    sets = [list(shingles(text, profile)) for text in texts]
    return RMinHash.digest_matrix_from_token_sets(sets, profile.permutations, profile.seed)


def by_datasketch(text: str, profile: Profile) -> np.ndarray:
    """Return the minima of a text by datasketch."""
    sketch = MinHash(
        num_perm=profile.permutations,
        seed=profile.seed,
        scheme=profile.scheme,
        hashfunc=xxhash.xxh32_intdigest,
    )
    encoded = [shingle.encode() for shingle in shingles(text, profile)]
    if encoded:
        sketch.update_batch(encoded)
    return np.asarray(sketch.hashvalues)


if __name__ == "__main__":
    main("benchmarks.minhash_signatures", measure)
