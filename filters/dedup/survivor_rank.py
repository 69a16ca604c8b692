"""The order of the documents of a cluster. It is total, so every engine keeps the same document."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.union_find import U64, Indexes
from filters.document_ids import as_uint64

SURVIVOR_KEY = np.dtype([("rank", "<u8"), ("id_high", "<u8"), ("id_low", "<u8")])
"""Sort key: compared field by field, then by address. The smallest document is kept."""

MAX_STARS = 2**32 - 1

ALLOWED, UNKNOWN = 0, 1
"""License verdicts, the better one first: allowed by a policy, or accepted although unknown."""


class Ranked(NamedTuple):
    """The n documents of c clusters in order of rank.

    Attributes:
        order: int64 [n], indexes of the documents, cluster by cluster, the best first.
        starts: int64 [c + 1], the start of each cluster in `order`.
    """

    order: Indexes
    starts: Indexes


def survivor_keys(
    heldout: npt.NDArray[np.bool_],
    priority: npt.NDArray[np.uint8],
    license_verdict: npt.NDArray[np.uint8],
    stars: npt.NDArray[np.int64],
    ids: Any,
    previous: npt.NDArray[np.bool_],
) -> npt.NDArray[np.void]:
    """Return the sort keys of n documents.

    The order is: previous corpora before this one, train before heldout, the source with the lowest
    priority, the better license verdict, more stars, the smaller id.

    Args:
        heldout: bool [n].
        priority: uint8 [n], the priority of the source of each document.
        license_verdict: uint8 [n], ALLOWED or UNKNOWN.
        stars: int64 [n], 0 where unknown. Counts above 2^32 - 1 are equal.
        ids: Arrow binary(16) array [n].
        previous: bool [n], documents of previous corpora.

    Returns:
        SURVIVOR_KEY [n].
    """
    keys = np.empty(len(heldout), SURVIVOR_KEY)
    fewness = MAX_STARS - np.clip(stars, 0, MAX_STARS)
    keys["rank"] = heldout.astype(np.uint64) << np.uint64(56)
    keys["rank"] |= (~previous).astype(np.uint64) << np.uint64(57)
    keys["rank"] |= priority.astype(np.uint64) << np.uint64(48)
    keys["rank"] |= license_verdict.astype(np.uint64) << np.uint64(40)
    keys["rank"] |= fewness.astype(np.uint64)
    halves = as_uint64(ids).byteswap()
    keys["id_high"], keys["id_low"] = halves[:, 0], halves[:, 1]
    return keys


def ranked(addresses: U64, labels: npt.NDArray[np.integer], keys: npt.NDArray[np.void]) -> Ranked:
    """Rank the documents of each cluster.

    Args:
        addresses: uint64 [n], distinct, in any order.
        labels: integers [n], one number for each cluster.
        keys: SURVIVOR_KEY [n].
    """
    order = np.lexsort((addresses, keys["id_low"], keys["id_high"], keys["rank"], labels))
    changes = np.flatnonzero(np.diff(labels[order])) + 1
    ends = [len(order)] if len(order) else []
    return Ranked(order, np.concatenate([[0], changes, ends]).astype(np.int64))
