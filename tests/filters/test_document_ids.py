import hashlib
import re
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import filters.document_ids
from filters.document_ids import document_ids, heldout, normalized_hashes, text_hashes

word = st.text("ab\x00", max_size=3)


def one_id(source, repositories, path, text):
    return document_ids(source, [repositories], [path], pa.array([text], pa.large_string()))[0]


@given(st.lists(st.tuples(word, st.lists(word, max_size=2), word, word), min_size=2, max_size=8))
def test_ids_are_equal_only_for_equal_fields(documents):
    ids = [one_id(*document).as_py() for document in documents]
    for first, left in zip(documents, ids, strict=True):
        for second, right in zip(documents, ids, strict=True):
            assert (first == second) == (left == right)


def test_ids_do_not_change_between_versions():
    result = one_id("the-stack", ["owner/name", None], "src/a.py", "x = 1\n").as_py()
    fields = [b"the-stack", b"owner/name", b"", b"src/a.py", b"x = 1\n"]
    framed = [len(field).to_bytes(8, "little") + field for field in fields]
    framed.insert(1, (2).to_bytes(8, "little"))
    state = hashlib.blake2b(b"".join(framed), digest_size=16, person=b"stackpile id")
    assert result == state.digest()


def test_ids_of_a_batch_are_those_of_its_documents():
    texts = pa.array(["", "a", "é"], pa.large_string())
    repositories, paths = [[], ["r"], ["r", "s"]], ["", "p", "q"]
    ids = document_ids("source", repositories, paths, texts)
    assert ids.type == pa.binary(16)
    rows = zip(repositories, paths, texts.to_pylist(), strict=True)
    assert ids.to_pylist() == [one_id("source", *row).as_py() for row in rows]


@given(st.lists(st.text(), max_size=5))
def test_text_hashes_are_blake2b(texts):
    result = text_hashes(pa.array(texts, pa.large_string())).to_pylist()
    assert result == [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]


SAME = [("a b", "a  b"), ("a\r\nb\n", "a\nb"), ("\n\n a", "a"), ("a\tb", "a b")]
DIFFERENT = [("a b", "ab"), ("A", "a"), ("a\u00a0b", "a b"), ("a1", "a0"), ("a,b", "a b")]


@pytest.mark.parametrize(
    ("left", "right", "equal"), [(*p, True) for p in SAME] + [(*p, False) for p in DIFFERENT]
)
def test_normalized_hashes_ignore_layout_only(left, right, equal):
    result = normalized_hashes(pa.array([left, right], pa.large_string())).to_pylist()
    assert (result[0] == result[1]) is equal


@given(st.lists(st.text("a \n\t\x0bé\xa0\x1c", max_size=30), max_size=5), st.integers(1, 9))
def test_normalized_hashes_do_not_depend_on_the_pieces_that_are_read(texts, piece):
    plain = [re.sub(rb"[ \t\n\v\f\r]+", b" ", text.encode()).strip(b" ") for text in texts]
    with mock.patch.object(filters.document_ids, "PIECE", piece):
        result = normalized_hashes(pa.array(texts, pa.large_string())).to_pylist()
    assert result == [hashlib.blake2b(text, digest_size=16).digest() for text in plain]


def ids_of(count):
    return pa.array([hashlib.blake2b(b"%d" % i, digest_size=16).digest() for i in range(count)])


def test_heldout_is_by_first_repository_and_near_its_share():
    count = 20_000
    repositories = [[f"owner/name{i // 2}", "other"] for i in range(count)]
    chosen = heldout(repositories, ids_of(count), 0.05)
    assert (chosen[::2] == chosen[1::2]).all()
    assert 0.045 < chosen.mean() < 0.055
    spelled = [[name.upper() for name in names] for names in repositories]
    assert (heldout(spelled, ids_of(count), 0.05) == chosen).all()
    assert (heldout(repositories, ids_of(count), 0.1) >= chosen).all()


def test_heldout_is_by_id_without_a_repository():
    for nobody in ([], [None], [""]):
        chosen = heldout([nobody] * 20_000, ids_of(20_000), 0.05)
        assert 0.045 < chosen.mean() < 0.055


def test_a_share_of_0_holds_out_nothing_and_1_everything():
    repositories = [[f"r{i}"] for i in range(1000)]
    assert not heldout(repositories, ids_of(1000), 0).any()
    assert heldout(repositories, ids_of(1000), 1).all()
