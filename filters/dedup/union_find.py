"""Clusters of near-duplicates: equal hashes become edges, edges forests, forests clusters.

An address is a document's place, part << 32 | row, as uint64. A forest is held in one form only:
a star for each cluster, its smallest address linked to every other, sorted. So a forest is a pure
function of which addresses hang together. Forests come together in a `Union`, in any order.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
Indexes = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer[Any]]

ALONE = np.uint32(2**32 - 1)
"""Instead of a cluster's number: the document is like no other."""


def addresses(part: int, rows: npt.NDArray[np.integer]) -> U64:
    """Return the addresses of rows of a part: int [n] -> uint64 [n]."""
    return rows.astype(np.uint64) | np.uint64(part << 32)


def parts_and_rows(addresses: U64) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the parts and rows that addresses name: uint64 [n] -> two uint32 [n]."""
    return (addresses >> np.uint64(32)).astype(np.uint32), addresses.astype(np.uint32)


def forest(hashes: U64, addresses: U64) -> U64:
    """Link the addresses that share a hash.

    Args:
        hashes: uint64 [n], in any order.
        addresses: uint64 [n], the document that each hash is of; one may have many hashes.

    Returns:
        uint64 [m, 2], a forest: at most one edge fewer than there are addresses.
    """
    if len(hashes) == 0:
        return np.empty((0, 2), np.uint64)
    order = np.argsort(hashes)
    hashes, addresses = hashes[order], addresses[order]
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    sizes = np.diff(np.append(starts, len(hashes)))
    first = np.repeat(addresses[starts], sizes)
    linked = first != addresses
    return spanning(np.column_stack([first[linked], addresses[linked]]))


def spanning(edges: U64) -> U64:
    """Reduce any edges, uint64 [m, 2], to a forest that links the same addresses."""
    members, labels = components(edges)
    others = members != labels
    return np.column_stack([labels[others], members[others]])


def components(edges: U64) -> tuple[U64, U64]:
    """Return the clusters that edges, uint64 [m, 2], make of their addresses.

    Returns:
        addresses: uint64 [n], ascending, each once.
        labels: uint64 [n], the smallest address of each one's cluster.
    """
    members, ends = np.unique(edges, return_inverse=True)
    parents = np.arange(len(members))
    _link(ends.reshape(-1, 2), parents)
    _count(parents, np.zeros_like(parents))
    return members, members[parents]


class Union:
    """Clusters of documents numbered from 0, by union-find: 4 bytes for each document."""

    def __init__(self, documents: int) -> None:
        """Begin with `documents` (fewer than 2^32) that are like no other."""
        self._parents = np.arange(documents, dtype=np.uint32)

    def link(self, edges: Integers) -> None:
        """Put the two documents of each edge, integers [m, 2], into one cluster."""
        _link(edges, self._parents)

    def clusters(self) -> tuple[U32, U32]:
        """Number the clusters of two and more, in the order of their smallest documents.

        Returns:
            labels: uint32 [documents], the number of each one's cluster, or ALONE.
            sizes: uint32 [clusters], documents of each.
        """
        members = np.zeros_like(self._parents)
        _count(self._parents, members)
        roots = np.flatnonzero(members > 1)
        sizes = members[roots]
        members.fill(ALONE)
        members[roots] = np.arange(len(roots), dtype=np.uint32)
        return members[self._parents], sizes


@compiled()
def _count(parents: Integers, members: Integers) -> None:
    """Let every document name its root, and count each root's documents."""
    for node in range(len(parents)):
        # A parent is smaller than its child, so it already names its root.
        parents[node] = parents[parents[node]]
        members[parents[node]] += 1


@compiled()
def _link(ends: Integers, parents: Integers) -> None:
    """Union-find with path halving; a root is the smallest index of its tree."""
    for i in range(len(ends)):
        left = _root(parents, ends[i, 0])
        right = _root(parents, ends[i, 1])
        parents[max(left, right)] = min(left, right)


@compiled()
def _root(parents: Integers, node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node
