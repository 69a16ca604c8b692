"""Pre-tokens end where `tokenizers` ends them, at every code point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from pipelines.tokenize.encoder.pre_tokens import ALONE, PADDING, classes, pre_token_end

BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
DIGITS = pre_tokenizers.Digits(individual_digits=True)
STARCODER = pre_tokenizers.Sequence([DIGITS, BYTE_LEVEL])
EVERY = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
BEFORE_AND_AFTER = ("", "a", "1", ".", " ", "\n", "'", "  ")

CHARACTERS = st.sampled_from(
    [*"aZ019 \t\n\r'sredlvmt._\x00\x1c\x85\xa0\u3000\u2028\u00e9\u4e2d\u0661"]
)
TEXTS = st.lists(st.text(CHARACTERS) | st.text() | st.sampled_from(["'re", "'ll", "  ", " '"])).map(
    "".join
)


def ends(text: str, digits_alone: bool) -> list[int]:
    data = np.frombuffer(text.encode() + bytes(PADDING), np.uint8)
    table, at, found = classes(digits_alone), np.uint64(0), []
    while at < len(data) - PADDING:
        at = pre_token_end(data, at, np.uint64(len(data) - PADDING), table)
        found.append(int(at))
    return found


def ends_by_the_library(text: str, digits_alone: bool) -> list[int]:
    # A piece is written with a symbol for each byte.
    pieces = (STARCODER if digits_alone else BYTE_LEVEL).pre_tokenize_str(text)
    return [int(end) for end in np.cumsum([len(piece) for piece, _ in pieces])]


@given(TEXTS, st.booleans())
def test_any_text_is_cut_as_the_library_cuts_it(text, digits_alone):
    assert ends(text, digits_alone) == ends_by_the_library(text, digits_alone)


def test_every_code_point_beside_the_next_one():
    assert ends(EVERY, False) == ends_by_the_library(EVERY, False)


@pytest.mark.parametrize("digits_alone", [False, True])
def test_the_class_of_every_run_of_code_points(digits_alone):
    table = classes(digits_alone)
    codes = np.flatnonzero(np.diff(table.astype(np.int8))).tolist()
    of_runs = [chr(c) for code in codes for c in (code, code + 1) if not 0xD800 <= c < 0xE000]
    for around in BEFORE_AND_AFTER:
        text = "".join(f"{around}{character}{around}." for character in of_runs)
        assert ends(text, digits_alone) == ends_by_the_library(text, digits_alone)


def test_every_digit_that_stands_alone():
    runs = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str(EVERY)
    alone = "".join(piece for piece, _ in runs[1::2])
    assert alone == "".join(map(chr, np.flatnonzero(classes(True) == ALONE)))
