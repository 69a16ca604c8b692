from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from filters.utf8 import collapse_whitespace, text_bytes

texts = st.lists(st.text() | st.text("ab_\n\t \r\x0b\x0c\x85\xa0é😀.-9"), max_size=8)


def strings(data, offsets):
    return [bytes(data[a:b]) for a, b in pairwise(offsets)]


@given(texts)
def test_text_bytes_are_the_utf8_of_each_text(values):
    result = strings(*text_bytes(pa.array(values, pa.large_string())))
    assert result == [value.encode() for value in values]


def test_text_bytes_of_slices_chunks_nulls_and_small_strings():
    column = pa.array(["zero", "one", None, "three"], pa.string())
    assert strings(*text_bytes(column.slice(1))) == [b"one", b"", b"three"]
    chunks = pa.chunked_array([column.slice(0, 1), column.slice(3)])
    assert strings(*text_bytes(chunks)) == [b"zero", b"three"]
    assert strings(*text_bytes(pa.array([], pa.large_string()))) == []


@given(texts)
def test_collapsed_texts_equal_split_and_join(values):
    result = strings(*collapse_whitespace(*text_bytes(pa.array(values, pa.large_string()))))
    assert result == [b" ".join(value.encode().split()) for value in values]


def test_collapse_reads_slices():
    column = pa.array(["xx yy", " a  b ", "é-é"], pa.large_string()).slice(1)
    assert strings(*collapse_whitespace(*text_bytes(column))) == [b"a b", "é-é".encode()]
