from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.verify_clusters import first_alike, kept_instead

LIMIT = 8


def sketch(kind, differing=0):
    """Sketches of one kind differ in `differing` minima; those of two kinds in at least 16."""
    words = np.full(2, int(f"{kind:x}" * 16, 16), np.uint64)
    words[0] ^= np.uint64((1 << 2 * differing) - 1)
    return words


def judged(rows, starts=None, doubtful=None):
    """Each row is (kind, differing, text, lone, previous)."""
    starts = np.array(starts or [0, len(rows)])
    normalized = np.array([[text, 1] for _, _, text, _, _ in rows], np.uint64).reshape(-1, 2)
    return kept_instead(
        starts,
        np.ones(len(starts) - 1, bool) if doubtful is None else np.array(doubtful),
        first_alike(starts, normalized),
        np.array([sketch(kind, d) for kind, d, *_ in rows], np.uint64).reshape(-1, 2),
        np.array([lone for *_, lone, _ in rows], bool),
        np.array([previous for *_, previous in rows], bool),
        LIMIT,
    ).tolist()


def row(kind, differing=0, text=None, lone=False, previous=False):
    return kind, differing, next(unique) if text is None else text, lone, previous


unique = count(1000)


def test_who_is_like_no_leader_leads():
    rows = [row(1), row(1, 3), row(9), row(1, LIMIT), row(1, LIMIT + 1), row(9, 1)]
    assert judged(rows) == [0, 0, 2, 0, 4, 2]


def test_a_cluster_that_is_not_doubtful_has_one_survivor():
    rows = [row(1), row(9), row(1), row(1), row(9)]
    assert judged(rows, [0, 3, 5], [False, True]) == [0, 0, 0, 3, 4]


def test_equal_texts_always_go_together():
    rows = [row(1), row(9, text=7), row(1, 1, text=7), row(12, lone=True, text=8), row(3, text=8)]
    assert judged(rows) == [0, 1, 1, 3, 3]


def test_no_document_of_a_previous_corpus_goes_and_all_of_them_lead():
    rows = [
        row(1, previous=True),
        row(1, 1, previous=True),
        row(9, previous=True),
        row(9),
        row(1, 2),
    ]
    assert judged(rows) == [0, 1, 2, 2, 0]
    assert judged(rows, doubtful=[False]) == [0, 1, 2, 0, 0]


def test_too_short_for_a_signature_is_like_no_other():
    assert judged([row(1, lone=True), row(1), row(1, lone=True), row(1)]) == [0, 1, 2, 1]


def test_clusters_do_not_mix():
    rows = [row(1, text=5), row(1, text=6), row(1, text=5), row(1, text=6)]
    assert judged(rows, [0, 2, 4]) == [0, 0, 2, 2]


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
def test_who_stays_stays(rows):
    kept = judged(rows) if rows else []
    for place, leader in enumerate(kept):
        assert kept[leader] == leader <= place
        if rows[place][4]:
            assert leader == place
