"""Verification of clusters: compare each document with the documents that are kept.

Clusters are transitive, so a large cluster may link documents that have nothing in common.
Verification is the leader algorithm: it visits the documents of a cluster in the order of
`survivor_rank`; a document is removed if it is similar enough to an earlier leader, and becomes a
leader otherwise.
"""

import numpy as np

from filters.dedup.minhash import Mask, Words
from filters.dedup.minhash_kernels import count_differing
from filters.dedup.union_find import Indexes
from manifests.prng.jit import compiled

MAX_LEADERS = 1_000
"""Leaders of a cluster that documents are compared with. Ours: bounds the work per document."""


def first_with_same_text(starts: Indexes, normalized: Words) -> Indexes:
    """Return the first document of the same cluster with the same normalized text, int64 [n].

    Args:
        starts: int64 [c + 1], of `Ranked`.
        normalized: uint64 [n, 2], hashes of the normalized texts of n ranked documents.
    """
    cluster = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((normalized[:, 1], normalized[:, 0], cluster))
    rows = np.column_stack([cluster.astype(np.uint64), normalized])[order]
    new = np.ones(len(order), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first


@compiled()
def assign_survivors(
    starts: Indexes,
    verify: bool,
    same_text: Indexes,
    sketches: Words,
    no_signature: Mask,
    previous: Mask,
    limit: int,
) -> Indexes:
    """Return the document that is kept for each of n ranked documents, int64 [n].

    A document that is kept has its own index.

    Args:
        starts: int64 [c + 1], of `Ranked`.
        verify: whether documents are compared. If not, only the first of a cluster is kept.
        same_text: int64 [n], of `first_with_same_text`. A document is removed with the first
            document of the same text.
        sketches: uint64 [n, words].
        no_signature: bool [n], documents that are similar to no other document.
        previous: bool [n], documents of previous corpora, which are always kept.
        limit: largest number of differing minima of two similar documents.
    """
    kept = np.empty(len(same_text), np.int64)
    leaders = np.empty(MAX_LEADERS, np.int64)
    for cluster in range(len(starts) - 1):
        count = 0
        for document in range(starts[cluster], starts[cluster + 1]):
            kept[document] = document
            if previous[document]:
                pass
            elif not verify:
                kept[document] = starts[cluster]
            elif same_text[document] < document:
                kept[document] = kept[same_text[document]]
                continue
            elif not no_signature[document]:
                for leader in leaders[:count]:
                    if count_differing(sketches[leader], sketches[document]) <= limit:
                        kept[document] = leader
                        break
            is_leader = kept[document] == document and not no_signature[document]
            if is_leader and count < len(leaders):
                leaders[count] = document
                count += 1
    return kept
