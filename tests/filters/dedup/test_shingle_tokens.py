"""The joined tokens are those of `re.split`, for every character of Unicode."""

import re
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.shingle_tokens import ONE_CHARACTER, join_tokens

SEPARATORS = [*sorted(ONE_CHARACTER), "[ ,]", "\r?\n| "]

# Lower case of another length, of two characters, or that depends on neighbors; digits, marks.
SPECIAL = "aB_9 .\n\t\r\x85\xa0éÉß\u0130\u0131\u03a3\u03c3\u03c2ⱥȺK\u017f²½\u0301क्😀𐐀𐐨𝟘"

some = st.lists(st.text() | st.text(SPECIAL, max_size=30), max_size=6)


def tokens(text, separator, lower, keep_empty):
    parts = re.split(separator, text.lower() if lower else text)
    return parts if keep_empty else [token for token in parts if token]


def compare(values, separator, lower, keep_empty):
    data, offsets = join_tokens(pa.array(values, pa.large_string()), separator, lower, keep_empty)
    joined = [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]
    assert joined == [" ".join(tokens(value, separator, lower, keep_empty)) for value in values]


@pytest.mark.parametrize("separator", SEPARATORS)
@given(values=some, lower=st.booleans(), keep_empty=st.booleans())
def test_tokens_of_any_text_are_those_of_re_split(separator, values, lower, keep_empty):
    compare(values, separator, lower, keep_empty)


@pytest.mark.parametrize("separator", sorted(ONE_CHARACTER))
@pytest.mark.parametrize("lower", [False, True])
def test_every_character_separates_as_in_re_split(separator, lower):
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    alone = [chr(point) for point in points]
    texts = ["".join(alone[i : i + 997]) for i in range(0, len(alone), 997)]
    compare([*texts, *(f"a{character}b" for character in alone[:0x3000])], separator, lower, True)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_slices_chunks_nulls_and_32_bit_strings_are_read(separator):
    column = pa.array(["zero", "ONE \u03a3\u03a3", None, " x "], pa.string())
    for part in (column.slice(1), pa.chunked_array([column.slice(1, 1), column.slice(2)])):
        data, offsets = join_tokens(part, separator, True, False)
        joined = [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]
        texts = ["ONE \u03a3\u03a3", "", " x "]
        assert joined == [" ".join(tokens(text, separator, True, False)) for text in texts]
    assert join_tokens(column.slice(0, 0), separator, True, False)[1].tolist() == [0]
