from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.verify_clusters import MAX_LEADERS, assign_survivors, first_with_same_text

LIMIT = 8


def sketch(kind, differing=0):
    """Sketches of one kind differ in `differing` minima; those of two kinds in at least 16."""
    words = np.full(2, int(f"{kind:x}" * 16, 16), np.uint64)
    words[0] ^= np.uint64((1 << 2 * differing) - 1)
    return words


def survivors(rows, starts=None, verify=True):
    """Each row is (kind, differing, text, no_signature, previous)."""
    starts = np.array(starts or [0, len(rows)])
    normalized = np.array([[text, 1] for _, _, text, _, _ in rows], np.uint64).reshape(-1, 2)
    return assign_survivors(
        starts,
        verify,
        first_with_same_text(starts, normalized),
        np.array([sketch(kind, d) for kind, d, *_ in rows], np.uint64).reshape(-1, 2),
        np.array([no_signature for *_, no_signature, _ in rows], bool),
        np.array([previous for *_, previous in rows], bool),
        LIMIT,
    ).tolist()


def row(kind, differing=0, text=None, no_signature=False, previous=False):
    return kind, differing, next(unique) if text is None else text, no_signature, previous


unique = count(1000)


def test_a_document_that_is_like_no_leader_becomes_one():
    rows = [row(1), row(1, 3), row(9), row(1, LIMIT), row(1, LIMIT + 1), row(9, 1)]
    assert survivors(rows) == [0, 0, 2, 0, 4, 2]


def test_a_cluster_that_is_not_verified_has_one_survivor():
    rows = [row(1), row(9), row(1), row(1), row(9)]
    assert survivors(rows, [0, 3, 5], verify=False) == [0, 0, 0, 3, 3]
    assert survivors(rows, [0, 3, 5]) == [0, 1, 0, 3, 4]


def test_documents_with_the_same_text_have_the_same_survivor():
    rows = [
        row(1),
        row(9, text=7),
        row(1, 1, text=7),
        row(12, no_signature=True, text=8),
        row(3, text=8),
    ]
    assert survivors(rows) == [0, 1, 1, 3, 3]


def test_documents_of_previous_corpora_are_kept_and_lead():
    rows = [
        row(1, previous=True),
        row(1, 1, previous=True),
        row(9, previous=True),
        row(9),
        row(1, 2),
    ]
    assert survivors(rows) == [0, 1, 2, 2, 0]
    assert survivors(rows, verify=False) == [0, 1, 2, 0, 0]


def test_a_document_without_a_signature_is_like_no_other():
    assert survivors([row(1, no_signature=True), row(1), row(1, no_signature=True), row(1)]) == [
        0,
        1,
        2,
        1,
    ]


def test_documents_of_different_clusters_are_not_compared():
    rows = [row(1, text=5), row(1, text=6), row(1, text=5), row(1, text=6)]
    assert survivors(rows, [0, 2, 4]) == [0, 0, 2, 2]


rows_of_any_kind = st.lists(
    st.tuples(
        st.sampled_from([1, 9, 12]),
        st.integers(0, 12),
        st.integers(0, 6),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


@given(rows_of_any_kind)
def test_a_survivor_survives_itself_and_ranks_first(rows):
    kept = survivors(rows) if rows else []
    for place, leader in enumerate(kept):
        assert kept[leader] == leader <= place
        if rows[place][4]:
            assert leader == place


def test_documents_are_compared_with_a_bounded_number_of_leaders():
    leaders = np.random.default_rng(0).integers(0, 2**64, (MAX_LEADERS + 1, 2), np.uint64)
    sketches = np.concatenate([leaders, leaders[-2:]])
    count = len(sketches)
    no = np.zeros(count, bool)
    kept = assign_survivors(np.array([0, count]), True, np.arange(count), sketches, no, no, LIMIT)
    assert kept[:-2].tolist() == list(range(MAX_LEADERS + 1))
    assert kept[-2:].tolist() == [MAX_LEADERS - 1, count - 1]
