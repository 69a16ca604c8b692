"""The encoder gives the ids of `tokenizers`, whatever the text, the tokenizer and the cache."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from manifests.errors import DataError
from manifests.tokenizer.tokenizer import encode_documents
from pipelines.tokenize.encoder import Encoder, is_checked, load_encoder, make_encoder, proven
from pipelines.tokenize.fast_tokenizer import FastTokenizer, make_fast_tokenizer
from pipelines.tokenize.hard_texts import hard_texts
from tests.pipelines.tokenize.conftest import trained

WORDS = ["def", " return", "  ", "    ", "\t", "\n", "\r\n", "'ll", "it's", "1", "12", " 3", "="]
CHARACTERS = ["\x00", "\x1b", "\x85", "\u00a0", "\u00e9", "\u4e2d", "\u0661", "\u00bd"]
CHARACTERS += ["\U0001f600", "\U0010ffff"]
TOKENS = ["<sep>", "<|endoftext|>", "<mask_1>", "aaab", "key\x00", "key", "_x_"]
UNITS = st.sampled_from([*WORDS, *CHARACTERS, *TOKENS])
RUNS = st.tuples(UNITS, st.integers(1, 70)).map(lambda run: run[0] * run[1])
TEXTS = st.lists(UNITS | RUNS | st.text(), max_size=12).map("".join)

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split of Llama 3 and GPT-4 (tokenizer.json of Llama 3)."""


@pytest.fixture(scope="module")
def encoder(tokenizer: Tokenizer) -> Encoder:
    made = make_encoder(tokenizer)
    assert made.is_fast
    return made


def encoded(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    return [ids.tolist() for ids in encoder.encode(pa.array(texts, pa.large_string()))]


def expected(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [ids.tolist() for ids in encode_documents(tokenizer, texts)]


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=5))
def test_any_texts_give_the_ids_of_the_library(encoder, tokenizer, texts):
    assert encoded(encoder, texts) == expected(tokenizer, texts)


@pytest.mark.parametrize("unit", ["ab", "=", "\u4e2d", " ", "a1"])
def test_a_word_of_any_length_gives_the_ids_of_the_library(encoder, tokenizer, unit):
    texts = [unit * count + "." for count in (20, 1000, 50_000)]
    assert encoded(encoder, texts) == expected(tokenizer, texts)


def test_a_cache_that_is_dropped_changes_nothing(encoder, tokenizer):
    fast = make_fast_tokenizer(tokenizer)
    assert fast is not None
    small = Encoder(
        tokenizer, FastTokenizer(fast._definition, fast._unsupported, cached_tokens=100)
    )
    texts = list(hard_texts()[-400:])
    for start in range(0, len(texts), 20):
        batch = texts[start : start + 20]
        assert encoded(small, batch) == encoded(encoder, batch)


def test_words_that_differ_in_zeros_at_their_end_are_told_apart(encoder, tokenizer):
    texts = ["\x00" * count for count in range(1, 40)] + ["=" + "\x00" * n for n in range(40)]
    for order in (texts, texts[::-1]):
        fresh = Encoder(tokenizer, make_fast_tokenizer(tokenizer))
        assert encoded(fresh, order) == expected(tokenizer, order)


def test_columns_may_be_sliced_chunked_empty_or_null(encoder, tokenizer):
    texts = ["one", "two words", "", "\u00e9t\u00e9", "last"]
    ids = expected(tokenizer, texts)
    column = pa.chunked_array([pa.array(texts[:2]), pa.array(texts[2:])])
    assert [row.tolist() for row in encoder.encode(column)] == ids
    sliced = pa.array([None, *texts, "after"]).slice(1, 5)
    assert [row.tolist() for row in encoder.encode(sliced)] == ids
    assert encoder.encode(pa.array([], pa.string())) == []
    assert encoder.encode(pa.chunked_array([], pa.string())) == []
    assert [len(row) for row in encoder.encode(pa.array([None, "x"], pa.string()))] == [0, 1]


@pytest.mark.parametrize("content", [b"a\xff", b"\xe4\xb8", b"\xed\xa0\x80", b"\x80"])
def test_what_is_not_utf8_is_refused(encoder, content):
    column = pa.array([b"before", content], pa.large_binary()).view(pa.large_string())
    with pytest.raises(DataError, match="a text is not UTF-8"):
        encoder.encode(column)


def test_a_character_cut_between_two_texts_is_refused(encoder):
    data = pa.py_buffer("\u4e2d".encode())
    offsets = pa.py_buffer(np.array([0, 1, 3], np.int64))
    column = pa.LargeStringArray.from_buffers(2, offsets, data)
    with pytest.raises(DataError, match="a text is not UTF-8"):
        encoder.encode(column)


def written(tmp_path: Path, edit) -> str:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(trained(edit))
    return str(path)


def added(content: str, number: int, **flags: bool) -> dict[str, object]:
    values = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": content, "special": False, **values, **flags}


def split(pattern: dict[str, str], behavior: str = "Isolated") -> dict[str, object]:
    """A pre-tokenizer of two steps, as Llama 3 has it."""
    first = {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}
    second = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    second["trim_offsets"] = True
    return {"type": "Sequence", "pretokenizers": [first, second]}


def split_and_digits(parsed) -> None:
    """A known split and a step that gigatoken ignores."""
    parsed["pre_tokenizer"] = split({"Regex": LLAMA_3})
    steps = parsed["pre_tokenizer"]["pretokenizers"]
    steps.insert(1, {"type": "Digits", "individual_digits": True})


SLOW = {
    "a normalizer": lambda parsed: parsed.update(normalizer={"type": "NFC"}),
    "a space before": lambda parsed: parsed["pre_tokenizer"].update(add_prefix_space=True),
    "no pattern": lambda parsed: parsed["pre_tokenizer"].update(use_regex=False),
    "no pre-tokenizer": lambda parsed: parsed.update(pre_tokenizer=None),
    "another pre-tokenizer": lambda parsed: parsed.update(
        pre_tokenizer={"type": "WhitespaceSplit"}
    ),
    "an unknown pattern": lambda parsed: parsed.update(pre_tokenizer=split({"Regex": "a+"})),
    "a pattern that is a string": lambda parsed: parsed.update(
        pre_tokenizer=split({"String": " "})
    ),
    "a known pattern that removes": lambda parsed: parsed.update(
        pre_tokenizer=split({"Regex": LLAMA_3}, "Removed")
    ),
    "a known pattern and another step": split_and_digits,
    "a fallback to bytes": lambda parsed: parsed["model"].update(unk_token="!", byte_fallback=True),
    "a byte without a symbol": lambda parsed: parsed["model"]["vocab"].pop("\u00ff"),
    "a token that strips": lambda parsed: parsed["added_tokens"].append(
        added("  ", 420, lstrip=True)
    ),
    "a token that stands alone": lambda parsed: parsed["added_tokens"].append(
        added("  ", 420, single_word=True)
    ),
    "tokens of two kinds": lambda parsed: parsed["added_tokens"].extend(
        [added("  ", 420), added("\t\t", 421, normalized=True)]
    ),
}


@pytest.mark.parametrize("what", SLOW)
def test_what_gigatoken_ignores_or_refuses_is_encoded_by_the_library(tmp_path, what):
    made = load_encoder(written(tmp_path, SLOW[what]))
    assert not made.is_fast
    texts = ["def  f(x): 1\t\t2", "\u00e9t\u00e9"]
    assert encoded(made, texts) == expected(made.tokenizer, texts)
    made.check(pa.array(texts), [b"0" * 16] * 2, made.encode(pa.array(texts)))


def same_merge_twice(parsed) -> None:
    parsed["model"]["merges"].append(parsed["model"]["merges"][0])


def as_strings(parsed) -> None:
    parsed["model"]["merges"] = [" ".join(pair) for pair in parsed["model"]["merges"]]


FAST = {
    "a merge that is there twice": same_merge_twice,
    "merges written as strings": as_strings,
    "the split of Llama 3": lambda parsed: parsed.update(pre_tokenizer=split({"Regex": LLAMA_3})),
    "whole words first": lambda parsed: parsed["model"].update(ignore_merges=True),
}


@pytest.mark.parametrize("what", FAST)
def test_other_forms_that_gigatoken_knows_are_encoded_by_it(tmp_path, what):
    made = load_encoder(written(tmp_path, FAST[what]))
    assert made.is_fast
    texts = list(hard_texts()[-900:])
    assert encoded(made, texts) == expected(made.tokenizer, texts)


def faults(tokenizer: Tokenizer) -> dict[str, FastTokenizer]:
    """Fast tokenizers as small faults would make them."""
    text = tokenizer.to_str()

    def edited(edit) -> FastTokenizer:
        parsed = json.loads(text)
        edit(parsed["model"])
        parsed["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False}
        return FastTokenizer(json.dumps(parsed))

    def swap(model) -> None:
        model["vocab"]["a"], model["vocab"]["b"] = model["vocab"]["b"], model["vocab"]["a"]

    return {
        "merges are lost": edited(lambda model: model["merges"].__delitem__(slice(0, None, 20))),
        "merges are reversed": edited(lambda model: model["merges"].reverse()),
        "two bytes are swapped": edited(swap),
        "no merges": edited(lambda model: model["merges"].clear()),
    }


def test_an_encoder_with_a_fault_is_replaced_by_the_library(tokenizer):
    for fault, wrong in faults(tokenizer).items():
        assert not proven(Encoder(tokenizer, wrong)).is_fast, fault


def test_a_difference_in_a_checked_document_stops_the_job(encoder):
    texts = [f"text number {number}" for number in range(3000)]
    hashes = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
    checked = [row for row, text_hash in enumerate(hashes) if is_checked(text_hash)]
    assert 0 < len(checked) < 15
    column = pa.array(texts)
    ids = encoder.encode(column)
    encoder.check(column, hashes, ids)
    unchecked = next(row for row in range(3000) if row not in checked)
    ids[unchecked] = ids[unchecked][:-1]
    encoder.check(column, hashes, ids)
    ids[checked[0]] = ids[checked[0]][:-1]
    with pytest.raises(DataError, match=f"text {hashes[checked[0]].hex()}: gigatoken gives other"):
        encoder.check(column, hashes, ids)
