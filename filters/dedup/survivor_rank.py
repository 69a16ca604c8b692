"""Which copy of a cluster stays: the minimum of a total order, the same on every engine."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.union_find import U64, Indexes
from filters.document_ids import words

SURVIVOR_KEY = np.dtype([("rank", "<u8"), ("id_high", "<u8"), ("id_low", "<u8")])
"""Compared field by field, then by address; the smallest stays."""

MOST_STARS = 2**32 - 1

ALLOWED, UNKNOWN = 0, 1
"""License verdicts, the better one first: allowed by a policy, or accepted without knowing."""


class Ranked(NamedTuple):
    """The n documents of c clusters, the best of each first.

    Attributes:
        order: int64 [n], indexes of the documents, cluster by cluster.
        starts: int64 [c + 1], where each cluster starts in `order`.
    """

    order: Indexes
    starts: Indexes


def survivor_keys(
    heldout: npt.NDArray[np.bool_],
    priority: npt.NDArray[np.uint8],
    license_verdict: npt.NDArray[np.uint8],
    stars: npt.NDArray[np.int64],
    ids: Any,
    previous: bool = False,
) -> npt.NDArray[np.void]:
    """Return what n documents are ranked by, packed.

    The order is: previous corpora before this one, train before heldout, the source with the lowest
    priority, the better license verdict, more stars, the smaller id.

    Args:
        heldout: bool [n].
        priority: uint8 [n], of each document's source.
        license_verdict: uint8 [n], ALLOWED or UNKNOWN.
        stars: int64 [n]; an unknown count is 0; counts above 2^32 - 1 are equal.
        ids: Arrow binary(16) array [n].
        previous: whether they belong to an earlier corpus, of which nothing is removed.

    Returns:
        SURVIVOR_KEY [n].
    """
    keys = np.empty(len(heldout), SURVIVOR_KEY)
    fewness = MOST_STARS - np.clip(stars, 0, MOST_STARS)
    keys["rank"] = heldout.astype(np.uint64) << np.uint64(56)
    keys["rank"] |= np.uint64(0 if previous else 1 << 57)
    keys["rank"] |= priority.astype(np.uint64) << np.uint64(48)
    keys["rank"] |= license_verdict.astype(np.uint64) << np.uint64(40)
    keys["rank"] |= fewness.astype(np.uint64)
    halves = words(ids).byteswap()
    keys["id_high"], keys["id_low"] = halves[:, 0], halves[:, 1]
    return keys


def ranked(addresses: U64, labels: npt.NDArray[np.integer], keys: npt.NDArray[np.void]) -> Ranked:
    """Rank the documents of each cluster; the first one survives.

    Args:
        addresses: uint64 [n], each once, in any order.
        labels: integers [n], equal within a cluster and nowhere else.
        keys: SURVIVOR_KEY [n].
    """
    order = np.lexsort((addresses, keys["id_low"], keys["id_high"], keys["rank"], labels))
    changes = np.flatnonzero(np.diff(labels[order])) + 1
    ends = [len(order)] if len(order) else []
    return Ranked(order, np.concatenate([[0], changes, ends]).astype(np.int64))
