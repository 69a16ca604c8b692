"""Verified clusters: who is really like the copy that stays, and who leads a cluster of its own.

Clusters are transitive, so a large one may link documents that have nothing in common. The
documents of a cluster come up in the order of survivors; each goes if a leader before it is
similar enough, and becomes a leader itself if none is.
"""

import numpy as np
import numpy.typing as npt

from filters.dedup.minhash import Mask, Words
from filters.dedup.minhash_kernels import differing
from filters.dedup.union_find import Indexes
from manifests.prng.jit import compiled

MOST = 1_000
"""Leaders of a cluster that others are compared with; it bounds the work for each document."""


def first_alike(starts: Indexes, normalized: Words) -> Indexes:
    """Return for each of n ranked documents the first of its cluster with the same text: int64 [n].

    Args:
        starts: int64 [c + 1], as `Ranked` has them.
        normalized: uint64 [n, 2], hashes of texts, ranked.
    """
    cluster = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((normalized[:, 1], normalized[:, 0], cluster))
    rows = np.column_stack([cluster.astype(np.uint64), normalized])[order]
    new = np.ones(len(order), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first


def kept_instead(
    starts: Indexes,
    doubtful: Mask,
    alike: Indexes,
    sketches: Words,
    lone: Mask,
    previous: Mask,
    limit: int,
) -> Indexes:
    """Return for each of n ranked documents the one that stays instead, itself where it stays.

    Args:
        starts: int64 [c + 1], as `Ranked` has them.
        doubtful: bool [c], the clusters to verify; in the others the first document stays.
        alike: int64 [n], of `first_alike`; such a document goes wherever the first one goes.
        sketches: uint64 [n, words].
        lone: bool [n], documents without a signature: like no other.
        previous: bool [n], documents that stay in any case.
        limit: differing minima above which two documents are not similar.
    """
    kept = np.empty(len(alike), np.int64)
    leaders = np.empty(MOST, np.int64)
    _keep(starts, doubtful, alike, sketches, lone, previous, limit, kept, leaders)
    return kept


@compiled()
def _keep(
    starts: Indexes,
    doubtful: Mask,
    alike: Indexes,
    sketches: npt.NDArray[np.uint64],
    lone: Mask,
    previous: Mask,
    limit: int,
    kept: Indexes,
    leaders: Indexes,
) -> None:
    for cluster in range(len(starts) - 1):
        found = 0
        for document in range(starts[cluster], starts[cluster + 1]):
            kept[document] = document
            if previous[document]:
                pass
            elif not doubtful[cluster]:
                kept[document] = starts[cluster]
            elif alike[document] < document:
                kept[document] = kept[alike[document]]
                continue
            elif not lone[document]:
                for leader in leaders[:found]:
                    if differing(sketches[leader], sketches[document]) <= limit:
                        kept[document] = leader
                        break
            if kept[document] == document and not lone[document] and found < len(leaders):
                leaders[found] = document
                found += 1
