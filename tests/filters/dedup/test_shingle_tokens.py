"""Tokens between single spaces are what `re.split` gives, for every character there is."""

import re
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.shingle_tokens import SINGLE, spaced

SEPARATORS = [*sorted(SINGLE), "[ ,]", "\r?\n| "]

# Lower case of another length, of two characters, or that depends on neighbors; digits, marks.
TELLING = "aB_9 .\n\t\r\x85\xa0éÉß\u0130\u0131\u03a3\u03c3\u03c2ⱥȺK\u017f²½\u0301क्😀𐐀𐐨𝟘"

some = st.lists(st.text() | st.text(TELLING, max_size=30), max_size=6)


def tokens(text, separator, lower, keep_empty):
    found = re.split(separator, text.lower() if lower else text)
    return found if keep_empty else [token for token in found if token]


def compare(values, separator, lower, keep_empty):
    data, offsets = spaced(pa.array(values, pa.large_string()), separator, lower, keep_empty)
    found = [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]
    assert found == [" ".join(tokens(value, separator, lower, keep_empty)) for value in values]


@pytest.mark.parametrize("separator", SEPARATORS)
@given(values=some, lower=st.booleans(), keep_empty=st.booleans())
def test_any_text(separator, values, lower, keep_empty):
    compare(values, separator, lower, keep_empty)


@pytest.mark.parametrize("separator", sorted(SINGLE))
@pytest.mark.parametrize("lower", [False, True])
def test_every_character(separator, lower):
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    alone = [chr(point) for point in points]
    texts = ["".join(alone[i : i + 997]) for i in range(0, len(alone), 997)]
    compare([*texts, *(f"a{each}b" for each in alone[:0x3000])], separator, lower, True)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_slices_chunks_nulls_and_small_strings(separator):
    column = pa.array(["zero", "ONE \u03a3\u03a3", None, " x "], pa.string())
    for part in (column.slice(1), pa.chunked_array([column.slice(1, 1), column.slice(2)])):
        data, offsets = spaced(part, separator, True, False)
        found = [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]
        texts = ["ONE \u03a3\u03a3", "", " x "]
        assert found == [" ".join(tokens(text, separator, True, False)) for text in texts]
    assert spaced(column.slice(0, 0), separator, True, False)[1].tolist() == [0]
