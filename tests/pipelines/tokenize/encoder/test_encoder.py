"""The encoder: the ids of `tokenizers`, whatever the text, the tokenizer and the cache."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import DataError
from manifests.tokenizer.tokenizer import encode_documents
from pipelines.tokenize.encoder import encoder as encoding
from pipelines.tokenize.encoder.cache import LONGEST, make_cache
from pipelines.tokenize.encoder.encoder import (
    Encoder,
    is_checked,
    is_proven,
    load_encoder,
    make_encoder,
)
from pipelines.tokenize.encoder.hard_texts import hard_texts
from pipelines.tokenize.encoder.kernel import Tables
from pipelines.tokenize.encoder.merging import merge_table
from pipelines.tokenize.encoder.tables import make_tables
from tests.pipelines.tokenize.encoder.conftest import trained

UNITS = st.sampled_from(
    [
        *(
            "def",
            " return",
            "  ",
            "    ",
            "\t",
            "\n",
            "\r\n",
            "'ll",
            "it's",
            "1",
            "12",
            " 3",
            "=",
            "==",
        ),
        *(
            "\x00",
            "\x1b",
            "\x85",
            "\u00a0",
            "\u00e9",
            "\u4e2d",
            "\u0661",
            "\U0001f600",
            "\U0010ffff",
        ),
        *("<sep>", "<|endoftext|>", "<mask_1>", "aaab", "key\x00", "key", "_x_"),
    ]
)
RUNS = st.tuples(UNITS, st.integers(1, 70)).map(lambda run: run[0] * run[1])
TEXTS = st.lists(UNITS | RUNS | st.text(), max_size=12).map("".join)


@pytest.fixture(scope="module")
def encoder(tokenizer):
    made = make_encoder(tokenizer)
    assert made.is_fast
    return made


def encoded(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    return [ids.tolist() for ids in encoder.encode(pa.array(texts, pa.large_string()))]


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=5))
def test_any_texts_give_the_ids_of_the_library(encoder, tokenizer, texts):
    expected = [ids.tolist() for ids in encode_documents(tokenizer, texts)]
    assert encoded(encoder, texts) == expected


@pytest.mark.parametrize("unit", ["ab", "=", "\u4e2d", " ", "a1"])
def test_a_word_of_any_length_gives_the_ids_of_the_library(encoder, tokenizer, unit):
    texts = [unit * count + "." for count in (LONGEST // len(unit.encode()), 1000, 50_000)]
    assert encoded(encoder, texts) == [ids.tolist() for ids in encode_documents(tokenizer, texts)]


def test_a_cache_that_forgets_changes_nothing(encoder, tokenizer):
    small = make_encoder(tokenizer)
    small._cache = make_cache(16, 2 * LONGEST)
    texts = list(hard_texts()[-400:])
    assert encoded(small, texts) == encoded(encoder, texts)
    assert small._cache.used[0] <= 8


def test_words_that_differ_in_zeros_at_their_end_are_told_apart(encoder, tokenizer):
    texts = ["\x00" * count for count in range(1, 40)] + ["=" + "\x00" * n for n in range(40)]
    for order in (texts, texts[::-1]):
        expected = [ids.tolist() for ids in encode_documents(tokenizer, order)]
        fresh = Encoder(tokenizer, make_tables(tokenizer))
        assert encoded(fresh, order) == expected


def test_columns_may_be_sliced_chunked_empty_or_null(encoder, tokenizer):
    texts = ["one", "two words", "", "\u00e9t\u00e9", "last"]
    expected = [ids.tolist() for ids in encode_documents(tokenizer, texts)]
    column = pa.chunked_array([pa.array(texts[:2]), pa.array(texts[2:])])
    assert [ids.tolist() for ids in encoder.encode(column)] == expected
    sliced = pa.array(["before", *texts, "after"]).slice(1, 5)
    assert [ids.tolist() for ids in encoder.encode(sliced)] == expected
    assert encoder.encode(pa.array([], pa.string())) == []
    assert encoder.encode(pa.chunked_array([], pa.string())) == []
    assert [len(ids) for ids in encoder.encode(pa.array([None, "x"], pa.string()))] == [0, 1]


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


def written(tmp_path, edit) -> str:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(trained(edit))
    return str(path)


UNKNOWN = {
    "a normalizer": lambda parsed: parsed.update(normalizer={"type": "NFC"}),
    "a space before": lambda parsed: parsed["pre_tokenizer"].update(add_prefix_space=True),
    "no pattern": lambda parsed: parsed["pre_tokenizer"].update(use_regex=False),
    "no pre-tokenizer": lambda parsed: parsed.update(pre_tokenizer=None),
    "another pre-tokenizer": lambda parsed: parsed.update(
        pre_tokenizer={"type": "WhitespaceSplit"}
    ),
    "whole words first": lambda parsed: parsed["model"].update(ignore_merges=True),
    "a fallback to bytes": lambda parsed: parsed["model"].update(unk_token="!", byte_fallback=True),
    "a byte without a symbol": lambda parsed: parsed["model"]["vocab"].pop("\u00ff"),
    "a token that strips": lambda parsed: parsed["added_tokens"].append(
        added("  ", 420, lstrip=True)
    ),
    "tokens of two kinds": lambda parsed: parsed["added_tokens"].extend(
        [added("  ", 420), added("\t\t", 421, normalized=True)]
    ),
}


def added(content: str, number: int, **flags: bool) -> dict[str, object]:
    known = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": content, "special": False, **known, **flags}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_the_kernel_does_not_know_is_encoded_by_the_library(tmp_path, what):
    made = load_encoder(written(tmp_path, UNKNOWN[what]))
    assert not made.is_fast
    texts = ["def  f(x): 1\t\t2", "\u00e9t\u00e9"]
    expected = [ids.tolist() for ids in encode_documents(made.tokenizer, texts)]
    assert encoded(made, texts) == expected
    made.check(pa.array(texts), [b"0" * 16] * 2, made.encode(pa.array(texts)))


def broken(tables: Tables) -> dict[str, Tables]:
    """Tables as small faults would make them."""
    merges = tables.merges.copy()
    merges[np.flatnonzero(merges[:, 0])[::20]] = 0
    return {
        "merges are lost": tables._replace(merges=merges),
        "all characters are letters, or none": tables._replace(
            classes=np.minimum(tables.classes, 1)
        ),
        "two bytes are swapped": tables._replace(symbols=tables.symbols[::-1].copy()),
        "no merges": tables._replace(merges=merge_table(np.zeros((0, 3)))),
    }


def test_the_proof_at_load_notices_faults(tokenizer):
    tables = make_tables(tokenizer)
    assert tables is not None
    for fault, wrong in broken(tables).items():
        assert not is_proven(Encoder(tokenizer, wrong), tokenizer), fault
    if len(tables.trie) > 1:
        ends = tables.ends.copy()
        ends[np.flatnonzero(ends >= 0)[-1]] = -1
        assert not is_proven(Encoder(tokenizer, tables._replace(ends=ends)), tokenizer)


def test_an_encoder_that_is_not_proven_is_not_used(tokenizer, monkeypatch):
    tables = make_tables(tokenizer)
    assert tables is not None
    monkeypatch.setattr(encoding, "make_tables", lambda _: broken(tables)["no merges"])
    assert not make_encoder(tokenizer).is_fast


def test_a_difference_in_a_checked_document_stops_the_job(encoder, tokenizer):
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
    with pytest.raises(DataError, match=f"text {hashes[checked[0]].hex()}: the fast encoder gives"):
        encoder.check(column, hashes, ids)


def test_merges_written_as_strings_are_read_too(tmp_path):
    def as_strings(parsed: dict[str, object]) -> None:
        model = parsed["model"]
        assert isinstance(model, dict)
        model["merges"] = [" ".join(pair) for pair in model["merges"]]

    path = written(tmp_path, as_strings)
    assert isinstance(json.loads(Path(path).read_bytes())["model"]["merges"][0], str)
    assert load_encoder(path).is_fast
