from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.survivor_rank import ALLOWED, UNKNOWN, ranked, survivor_keys

BEST = {"heldout": False, "priority": 1, "license": ALLOWED, "stars": 100, "id": bytes(16)}


def keys(documents, previous=False):
    return survivor_keys(
        np.array([d["heldout"] for d in documents], bool),
        np.array([d["priority"] for d in documents], np.uint8),
        np.array([d["license"] for d in documents], np.uint8),
        np.array([d["stars"] for d in documents], np.int64),
        pa.array([d["id"] for d in documents], pa.binary(16)),
        np.full(len(documents), previous),
    )


def clusters(where, labels, keys):
    """Return the addresses of each cluster, the survivor first."""
    order, starts = ranked(np.array(where, np.uint64), np.array(labels), keys)
    return [[where[i] for i in order[a:b]] for a, b in pairwise(starts)]


# Each is worse than BEST in the named field, and better in all that come after it.
WORSE = [
    {"heldout": True, "priority": 0, "stars": 10**12},
    {"priority": 2, "stars": 10**12},
    {"license": UNKNOWN, "stars": 10**12},
    {"stars": 99},
    {"stars": 0},
    {"id": bytes(15) + b"\x01"},
    {"id": b"\x01" + bytes(15)},
]


@pytest.mark.parametrize("change", WORSE)
@pytest.mark.parametrize("worse_first", [True, False])
def test_each_field_decides_before_the_next(change, worse_first):
    worse = {**BEST, **change}
    if "id" not in change:
        worse = {**worse, "id": bytes(16)}
        better = {**BEST, "id": b"\xff" * 16}
    else:
        better = BEST
    documents = [worse, better] if worse_first else [better, worse]
    survivors = clusters([10, 11], [10, 10], keys(documents))
    assert survivors == [[11, 10] if worse_first else [10, 11]]


def test_a_previous_corpus_comes_before_everything():
    worst = {"heldout": True, "priority": 255, "license": UNKNOWN, "stars": 0, "id": b"\xff" * 16}
    both = np.concatenate([keys([BEST]), keys([worst], previous=True)])
    assert clusters([1, 2], [0, 0], both) == [[2, 1]]


def test_the_address_decides_last():
    assert clusters([9, 3, 5], [3, 3, 3], keys([BEST] * 3)) == [[3, 5, 9]]


documents = st.lists(
    st.fixed_dictionaries(
        {
            "heldout": st.booleans(),
            "priority": st.integers(0, 2),
            "license": st.sampled_from([ALLOWED, UNKNOWN]),
            "stars": st.sampled_from([0, 1, 7, 2**32 - 1, 2**40]),
            "id": st.binary(min_size=16, max_size=16) | st.just(bytes(16)),
            "label": st.integers(0, 2),
        }
    ),
    max_size=10,
)


@given(documents, st.randoms(use_true_random=False))
def test_the_survivor_is_the_minimum_in_any_order(rows, random):
    addressed = list(enumerate(rows))
    random.shuffle(addressed)
    survivors = clusters(
        [address for address, _ in addressed],
        [row["label"] for _, row in addressed],
        keys([row for _, row in addressed]),
    )
    expected = []
    for label in sorted({row["label"] for row in rows}):
        cluster = [(a, row) for a, row in enumerate(rows) if row["label"] == label]
        best = sorted(
            (r["heldout"], r["priority"], r["license"], -min(r["stars"], 2**32 - 1), r["id"], a)
            for a, r in cluster
        )
        expected.append([rank[-1] for rank in best])
    assert survivors == expected


def test_no_documents_make_no_clusters():
    none = np.empty(0, np.uint64)
    order, starts = ranked(none, none, keys([]))
    assert len(order) == 0 and starts.tolist() == [0]
