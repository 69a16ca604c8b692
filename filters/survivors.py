"""Which copy of a cluster stays: the minimum of a total order, the same on every engine."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.clusters import U64

SURVIVOR_KEY = np.dtype([("rank", "<u8"), ("id_high", "<u8"), ("id_low", "<u8")])
"""Compared field by field, then by address; the smallest stays."""

MOST_STARS = 2**32 - 1

ALLOWED, UNKNOWN = 0, 1
"""License verdicts, the better one first: allowed by a policy, or accepted without knowing."""


class Losers(NamedTuple):
    """The documents that go, m of them, by ascending address.

    Attributes:
        address: uint64 [m].
        kept: uint64 [m], the address of the copy that stays.
        cluster_size: uint32 [m], documents in the cluster, the survivor counted.
    """

    address: U64
    kept: U64
    cluster_size: npt.NDArray[np.uint32]


def survivor_keys(
    heldout: npt.NDArray[np.bool_],
    priority: npt.NDArray[np.uint8],
    license_verdict: npt.NDArray[np.uint8],
    stars: npt.NDArray[np.int64],
    ids: Any,
) -> npt.NDArray[np.void]:
    """Return what n documents are ranked by, packed.

    Train before heldout, then the source with the lowest priority, the better license verdict, more
    stars, the smaller id.

    Args:
        heldout: bool [n].
        priority: uint8 [n], of each document's source.
        license_verdict: uint8 [n], ALLOWED or UNKNOWN.
        stars: int64 [n]; an unknown count is 0; counts above 2^32 - 1 are equal.
        ids: Arrow binary(16) array [n].

    Returns:
        SURVIVOR_KEY [n].
    """
    keys = np.empty(len(heldout), SURVIVOR_KEY)
    fewness = MOST_STARS - np.clip(stars, 0, MOST_STARS)
    keys["rank"] = heldout.astype(np.uint64) << np.uint64(56)
    keys["rank"] |= priority.astype(np.uint64) << np.uint64(48)
    keys["rank"] |= license_verdict.astype(np.uint64) << np.uint64(40)
    keys["rank"] |= fewness.astype(np.uint64)
    halves = np.frombuffer(b"".join(ids.to_pylist()), ">u8").reshape(-1, 2)
    keys["id_high"], keys["id_low"] = halves[:, 0], halves[:, 1]
    return keys


def survivors(addresses: U64, labels: U64, keys: npt.NDArray[np.void]) -> Losers:
    """Choose the survivor of each cluster.

    Args:
        addresses: uint64 [n], each once, in any order.
        labels: uint64 [n], equal within a cluster and nowhere else.
        keys: SURVIVOR_KEY [n].

    Returns:
        Every document that is not its cluster's survivor.
    """
    order = np.lexsort((addresses, keys["id_low"], keys["id_high"], keys["rank"], labels))
    addresses, labels = addresses[order], labels[order]
    first = np.ones(len(labels), bool)
    first[1:] = labels[1:] != labels[:-1]
    sizes = np.diff(np.append(np.flatnonzero(first), len(labels)))
    kept = np.repeat(addresses[first], sizes)
    cluster_size = np.repeat(sizes, sizes).astype(np.uint32)
    losing = np.flatnonzero(~first)
    losing = losing[np.argsort(addresses[losing])]
    return Losers(addresses[losing], kept[losing], cluster_size[losing])
