"""Exact Jaccard similarity of all pairs of documents, and the candidate pairs.

The pair (i, j) with j < i has number i (i - 1) / 2 + j.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from filters.dedup.minhash import Profile, shingles, signatures
from filters.dedup.minhash_kernels import jaccard
from manifests.prng.jit import compiled

Similarities = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


def similarities(texts: Any, profile: Profile) -> Similarities:
    """Return the Jaccard similarity of all pairs of Arrow strings [n]: float32 [n (n - 1) / 2].

    The sets are the XXH32 hashes of shingles, from which signatures are made. An inverted index
    lists for each shingle of a document the earlier documents that have it.
    """
    hashes, places = shingles(texts, profile)
    documents = np.repeat(np.arange(len(texts)), np.diff(places))
    # By shingle, then by document, because the sort is stable.
    order = np.argsort(hashes, kind="stable")
    _, numbers = np.unique(hashes, return_inverse=True)
    starts = np.searchsorted(numbers[order], np.arange(numbers.max(initial=-1) + 2))
    similarity = np.zeros(len(texts) * (len(texts) - 1) // 2, np.float32)
    _fill(numbers, places, documents[order], starts, similarity)
    return similarity


@compiled()
def _fill(
    numbers: Integers,
    places: Integers,
    holders: Integers,
    starts: Integers,
    similarity: Similarities,
) -> None:
    """Fill `similarity` by counting the shared shingles of each pair."""
    shared = np.zeros(len(places) - 1, np.int64)
    sizes = np.diff(places)
    at = 0
    for i in range(len(sizes)):
        shared[:i] = 0
        for place in range(places[i], places[i + 1]):
            k = starts[numbers[place]]
            while holders[k] < i:
                shared[holders[k]] += 1
                k += 1
        for j in range(i):
            similarity[at] = shared[j] / max(1, sizes[i] + sizes[j] - shared[j])
            at += 1


def candidates(texts: Any, profile: Profile) -> tuple[Mask, Mask]:
    """Tell which pairs of Arrow strings [n] have an equal band, and which have two signatures.

    Returns:
        bool [n (n - 1) / 2], twice.
    """
    signed = signatures(texts, profile)
    count = len(texts) * (len(texts) - 1) // 2
    is_candidate, possible = np.zeros(count, bool), np.zeros(count, bool)
    _compare(signed.bands, signed.has_signature, is_candidate, possible)
    return is_candidate, possible


@compiled()
def _compare(
    bands: npt.NDArray[np.uint64], signed: Mask, is_candidate: Mask, possible: Mask
) -> None:
    """Fill `is_candidate` and `possible` for all pairs."""
    at = 0
    for i in range(len(bands)):
        for j in range(i):
            if signed[i] and signed[j]:
                possible[at] = True
                for band in range(bands.shape[1]):
                    if bands[i, band] == bands[j, band]:
                        is_candidate[at] = True
                        break
            at += 1


def of_pairs(left: Any, right: Any, profile: Profile) -> Similarities:
    """Return the Jaccard similarity of each of n pairs of Arrow strings: float32 [n]."""
    sets, starts = shingles(left, profile)
    others, places = shingles(right, profile)
    pairs = range(len(left))
    exact = [
        jaccard(sets[starts[i] : starts[i + 1]], others[places[i] : places[i + 1]]) for i in pairs
    ]
    return np.array(exact, np.float32)


def curve(similarity: npt.NDArray[np.floating], profile: Profile) -> npt.NDArray[np.float64]:
    """Return the probability that pairs are candidates: 1 - (1 - s^rows)^bands."""
    bands, rows = profile.banding
    return 1 - (1 - similarity.astype(np.float64) ** rows) ** bands
