import re

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from filters.scancode.words import NAMES, WORDS, find_words
from filters.utf8 import text_bytes

PIECES = st.sampled_from(
    [*WORDS, *NAMES, "x", " ", "\n", "-", "é", "Simple", "l", "GPL", "Licence"]
)


def found(texts):
    hits = find_words(*text_bytes(pa.array(texts, pa.large_string())))
    return list(zip(hits.document.tolist(), hits.at.tolist(), strict=True))


def expected(texts):
    ends = set()
    for document, text in enumerate(texts):
        data = text.encode().lower()
        for word in WORDS:
            ends |= {(document, m.end()) for m in _overlapping(re.escape(word.encode()), data)}
        for name in NAMES:
            pattern = rb"(?<![a-z])" + re.escape(name.encode()) + rb"(?![a-z])"
            ends |= {(document, m.end()) for m in _overlapping(pattern, data)}
    return sorted(ends)


def _overlapping(pattern, data):
    compiled, at = re.compile(pattern), 0
    while match := compiled.search(data, at):
        yield match
        at = match.start() + 1


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=4))
def test_words_are_those_that_regular_expressions_find(texts):
    assert found(texts) == expected(texts)


def test_a_name_within_a_word_does_not_count():
    assert found(["simple template, an example"]) == []
    assert found(["the MPL, v2"]) == [(0, 7)]
    assert found(["mpl"]) == [(0, 3)]


def test_a_word_does_not_cross_texts():
    assert found(["lic", "ense"]) == []
    assert found(["x GPL", "s"]) == [(0, 5)]


def test_no_texts_and_empty_texts_have_no_words():
    assert found([]) == []
    assert found(["", ""]) == []


def test_words_of_a_slice_are_counted_from_its_texts():
    array = pa.array(["license", "gpl", "license"], pa.large_string()).slice(1, 1)
    hits = find_words(*text_bytes(array))
    assert np.array_equal(hits.document, [0])
    assert np.array_equal(hits.at, [3])
