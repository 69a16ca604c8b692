import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from filters.dedup.union_find import (
    UNCLUSTERED,
    Union,
    addresses,
    components,
    forest,
    parts_and_rows,
    spanning,
)

BIG = np.uint64(7 << 32)

edge_lists = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20)


def array(edges):
    return np.array(edges, np.uint64).reshape(-1, 2)


def by_scipy(edges):
    """Address -> the smallest address of its component."""
    members, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(members), len(members)))
    _, component = connected_components(graph, directed=False)
    smallest = np.full(component.max(initial=-1) + 1, len(members))
    np.minimum.at(smallest, component, np.arange(len(members)))
    return members, members[smallest[component]]


def united(edges, documents):
    """Document -> the smallest document of its cluster, by the union of all edges."""
    union = Union(documents)
    for piece in np.array_split(edges, 3):
        union.link(piece)
    labels, sizes = union.clusters()
    clustered = np.flatnonzero(labels != UNCLUSTERED)
    np.testing.assert_array_equal(np.bincount(labels[clustered], minlength=len(sizes)), sizes)
    smallest = np.full(len(sizes), documents)
    np.minimum.at(smallest, labels[clustered], clustered)
    assert (np.diff(smallest) > 0).all()
    named = np.arange(documents)
    named[clustered] = smallest[labels[clustered]]
    return named


def check(edges):
    members, labels = components(edges)
    expected_members, expected = by_scipy(edges)
    np.testing.assert_array_equal(members, expected_members)
    np.testing.assert_array_equal(labels, expected)
    named = united(edges, int(edges.max(initial=0)) + 1)
    np.testing.assert_array_equal(named[members.astype(np.int64)], labels)


@given(edge_lists)
def test_components_of_any_graph_equal_those_of_scipy(edges):
    check(array(edges))


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_chain_of_a_hundred_thousand_documents_is_one_cluster(seed):
    nodes = np.arange(100_001, dtype=np.uint64) + BIG
    edges = np.column_stack([nodes[1:], nodes[:-1]])
    if seed is not None:
        edges = np.random.default_rng(seed).permutation(edges)
    members, labels = components(edges)
    assert len(members) == 100_001
    assert (labels == BIG).all()
    assert (united(edges - BIG, 100_001) == 0).all()


def test_a_star_of_a_million_documents_is_one_cluster():
    leaves = np.arange(1_000_000, dtype=np.uint64)
    edges = np.column_stack([leaves, np.full_like(leaves, 1_000_000)])
    assert (components(edges)[1] == 0).all()
    assert (united(edges, 1_000_001) == 0).all()


def test_components_of_a_million_random_pairs_equal_those_of_scipy():
    edges = np.random.default_rng(0).integers(0, 2_000_000, (1_000_000, 2)).astype(np.uint64)
    check(edges)


hashed = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=30)


@given(hashed)
def test_a_forest_links_the_documents_that_share_a_hash(pairs):
    hashes, where = array(pairs)[:, 0], array(pairs)[:, 1]
    edges = forest(hashes, where)
    # In a bipartite graph of addresses and hashes the same addresses hang together.
    bipartite = np.column_stack([where, hashes + np.uint64(1000)])
    members, labels = by_scipy(bipartite)
    real = members < 1000
    expected = {a: b for a, b in zip(members[real], labels[real], strict=True) if a != b}
    assert {int(b): int(a) for a, b in edges} == expected
    assert len(edges) <= max(len(set(where.tolist())) - 1, 0)


@given(hashed, st.randoms(use_true_random=False), st.integers(1, 4))
def test_clusters_do_not_depend_on_order_or_partitioning(pairs, random, ways):
    whole = spanning(forest(array(pairs)[:, 0], array(pairs)[:, 1]))
    expected = united(whole, 13)
    random.shuffle(pairs)
    # As the job does it: a hash goes to one partition, here by its remainder.
    pieces = [array([pair for pair in pairs if pair[0] % ways == way]) for way in range(ways)]
    forests = [forest(piece[:, 0], piece[:, 1]) for piece in pieces]
    np.testing.assert_array_equal(united(np.concatenate(forests), 13), expected)


def test_no_hashes_and_no_edges_make_no_clusters():
    none = np.empty(0, np.uint64)
    assert forest(none, none).shape == (0, 2)
    assert components(np.empty((0, 2), np.uint64))[0].shape == (0,)
    labels, sizes = Union(3).clusters()
    assert (labels == UNCLUSTERED).all() and len(sizes) == 0


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**32 - 1)))
def test_addresses_name_their_parts_and_rows(part, rows):
    parts, numbers = parts_and_rows(addresses(part, np.array(rows, np.int64)))
    assert numbers.tolist() == rows
    assert (parts == part).all()
