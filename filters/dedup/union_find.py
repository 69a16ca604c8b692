"""Connected components: documents with an equal hash belong to one cluster.

The address of a document is part << 32 | row, as uint64. A forest is an array of edges, uint64
[m, 2]: for each connected component the edges from its smallest address to each other address,
sorted. A forest is therefore a pure function of the components. `Union` merges forests in any
order. scipy's connected_components needs all edges in memory at once.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
Indexes = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer[Any]]

UNCLUSTERED = np.uint32(2**32 - 1)
"""Label of a document that belongs to no cluster of two or more."""


def addresses(part: int, rows: npt.NDArray[np.integer]) -> U64:
    """Return the addresses of rows of a part: int [n] -> uint64 [n]."""
    return rows.astype(np.uint64) | np.uint64(part << 32)


def parts_and_rows(addresses: U64) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the parts and rows of addresses: uint64 [n] -> two uint32 [n]."""
    return (addresses >> np.uint64(32)).astype(np.uint32), addresses.astype(np.uint32)


def link_equal(hashes: U64, addresses: U64) -> tuple[U64, U64, U64]:
    """Link the addresses that share a hash.

    Args:
        hashes: uint64 [n], in any order.
        addresses: uint64 [n], the document of each hash. A document may have several hashes.

    Returns:
        distinct: uint64 [d], the distinct hashes, ascending.
        first: uint64 [d], the smallest address of each distinct hash.
        edges: uint64 [n - d or fewer, 2], from these addresses to the others with the same hash.
    """
    order = np.argsort(hashes)
    hashes, addresses = hashes[order], addresses[order]
    new = np.ones(len(hashes), bool)
    new[1:] = hashes[1:] != hashes[:-1]
    starts = np.flatnonzero(new)
    if len(starts) == len(hashes):
        return hashes, addresses, np.empty((0, 2), np.uint64)
    first = np.minimum.reduceat(addresses, starts)
    smallest = first[np.cumsum(new) - 1]
    others = smallest != addresses
    return hashes[starts], first, np.column_stack([smallest[others], addresses[others]])


def forest(hashes: U64, addresses: U64) -> U64:
    """Return the forest of the addresses that share a hash, uint64 [m, 2]; see `link_equal`."""
    _, _, edges = link_equal(hashes, addresses)
    return spanning(edges)


def spanning(edges: U64) -> U64:
    """Return the forest with the same components as any edges, uint64 [m, 2]."""
    members, labels = components(edges)
    others = members != labels
    return np.column_stack([labels[others], members[others]])


def components(edges: U64) -> tuple[U64, U64]:
    """Return the connected components of edges, uint64 [m, 2].

    Returns:
        addresses: uint64 [n], distinct, ascending.
        labels: uint64 [n], the smallest address of the component of each address.
    """
    members, ends = np.unique(edges, return_inverse=True)
    parents = np.arange(len(members))
    _link(ends.reshape(-1, 2), parents)
    _count(parents, np.zeros_like(parents))
    return members, members[parents]


class Union:
    """Union-find over documents numbered from 0. It takes 4 bytes for each document."""

    def __init__(self, documents: int) -> None:
        """Start with `documents` (fewer than 2^32) clusters of one document each."""
        self._parents = np.arange(documents, dtype=np.uint32)

    def link(self, edges: Integers) -> None:
        """Merge the clusters of the two documents of each edge, integers [m, 2]."""
        _link(edges, self._parents)

    def clusters(self) -> tuple[U32, U32]:
        """Return the clusters of two or more, numbered by their smallest document.

        Returns:
            labels: uint32 [documents], the number of the cluster of each document, or UNCLUSTERED.
            sizes: uint32 [clusters], number of documents of each cluster.
        """
        members = np.zeros_like(self._parents)
        _count(self._parents, members)
        roots = np.flatnonzero(members > 1)
        sizes = members[roots]
        members.fill(UNCLUSTERED)
        members[roots] = np.arange(len(roots), dtype=np.uint32)
        return members[self._parents], sizes


@compiled()
def _count(parents: Integers, members: Integers) -> None:
    """Set the parent of each document to its root, and count the documents of each root."""
    for node in range(len(parents)):
        # A parent is smaller than its child, so the parent of the parent is already the root.
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
    """Return the root of a node, and halve the path to it."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node
