"""Tokenizers: control tokens are never read from a text, and are always shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from manifests.errors import DataError, UsageError
from manifests.tokenizer.tokenizer import (
    control_of,
    decode,
    describe_tokenizer,
    encode_documents,
    load_text_tokenizer,
    load_tokenizer,
    train_tokenizer,
)

CODE = ["def f(x):\n    return x + 1\n", "for i in range(10):\n\tprint(i)\n", "# a b c\n"] * 20


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    result = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    result.write_bytes(train_tokenizer(CODE, 320, 16))
    return str(result)


@pytest.fixture(scope="module")
def text_tokenizer(path):
    return load_text_tokenizer(path)


CONTROL_TEXT = st.lists(
    st.sampled_from(
        ["<sep>", "<eom>", "<mask_1>", "<mask_16>", "<|endoftext|>", "x", " ", "\n", "é"]
    )
).map("".join)


@settings(deadline=None)
@given(CONTROL_TEXT | st.text())
def test_no_text_gives_a_control_id(path, text_tokenizer, text):
    control = control_of(path)
    (ids,) = encode_documents(text_tokenizer, [text])
    assert ids.dtype == np.uint32
    assert set(range(control.end, control.vocabulary)).isdisjoint(ids.tolist())
    assert decode(text_tokenizer, ids.tolist()) == text


def test_documents_are_encoded_one_by_one(text_tokenizer):
    texts = ["", "def", "def f", "\u6f22 \U0001f600"]
    both = encode_documents(text_tokenizer, texts)
    assert len(both[0]) == 0
    for text, ids in zip(texts, both, strict=True):
        assert np.array_equal(encode_documents(text_tokenizer, [text])[0], ids)


def test_control_ids_are_in_the_order_of_codegen2(path):
    control = control_of(path)
    first = control.end
    assert (control.sep, control.eom, control.mask(16)) == (first + 1, first + 2, first + 3)
    assert control.mask_1 == control.vocabulary - 1
    assert control.mask_step == -1
    assert control.masks == 16


def test_control_tokens_are_shown(path, text_tokenizer):
    control = control_of(path)
    (ids,) = encode_documents(text_tokenizer, ["x = "])
    assert control.sep is not None
    shown = decode(load_tokenizer(path), [*ids.tolist(), control.mask(1), control.sep, control.end])
    assert shown == "x = <mask_1><sep><|endoftext|>"


def test_the_manifests_record(path):
    record = describe_tokenizer(path)
    assert record.dtype == "uint16"
    assert record.vocabulary == record.control.vocabulary == 1 + record.control.mask(1)
    assert len(record.sha256) == 64


def test_training_gives_the_same_bytes_in_any_process(path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from manifests.tokenizer.tokenizer import train_tokenizer\n"
        f"sys.stdout.buffer.write(train_tokenizer({CODE!r}, 320, 16))"
    )
    root = str(Path(__file__).parents[3])
    for threads in ("1", "4"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        run = subprocess.run(
            [sys.executable, "-c", program, root], capture_output=True, env=environment, check=True
        )
        assert run.stdout == Path(path).read_bytes()


def test_training_needs_room(path):
    with pytest.raises(UsageError, match="no room for bytes and 16 masks"):
        train_tokenizer(CODE, 256 + 18, 16)
    control = json.loads(train_tokenizer([], 256 + 19, 16))
    assert len(control["model"]["vocab"]) == 256
    assert len(control["added_tokens"]) == 19


def edited(path, tmp_path, change):
    parsed = json.loads(Path(path).read_bytes())
    change(parsed)
    result = tmp_path / "tokenizer.json"
    result.write_text(json.dumps(parsed))
    return str(result)


def test_control_tokens_can_be_listed(path, tmp_path):
    (only,) = encode_documents(load_text_tokenizer(path, ["<sep>"]), ["<sep><eom>"])
    assert control_of(path).eom in only.tolist()
    assert control_of(path).sep not in only.tolist()
    with pytest.raises(UsageError, match="no added token '<nope>'"):
        load_text_tokenizer(path, ["<nope>"])


def test_truncation_and_padding_do_not_lose_text(path, tmp_path):
    def change(parsed):
        parsed["truncation"] = {
            "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0,
        }  # fmt: skip

    (ids,) = encode_documents(load_text_tokenizer(edited(path, tmp_path, change)), ["a b c d e"])
    assert len(ids) > 2


def test_a_vocabulary_that_holds_the_control_token_gives_it_up(tmp_path):
    vocabulary = {"<": 0, "s": 1, "e": 2, "p": 3, ">": 4, "<sep>": 5, "</s>": 6}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_tokens(["<sep>", "</s>"])
    path = str(tmp_path / "tokenizer.json")
    tokenizer.save(path)
    (ids,) = encode_documents(load_text_tokenizer(path), ["<sep>"])
    assert ids.tolist() == [0, 1, 2, 3, 4]
    assert control_of(path).end == 6


def test_a_tokenizer_that_cannot_do_without_is_refused(tmp_path):
    pieces = [("<unk>", 0.0), ("<sep>", -1.0), ("s", -2.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.add_tokens(["<sep>"])
    path = str(tmp_path / "tokenizer.json")
    tokenizer.save(path)
    with pytest.raises(DataError, match="'<sep>' cannot be kept from being a control token"):
        load_text_tokenizer(path)


def test_a_tokenizer_without_masks_can_still_do_clm(path, tmp_path):
    def change(parsed):
        parsed["added_tokens"] = [
            t for t in parsed["added_tokens"] if t["content"] == "<|endoftext|>"
        ]

    control = control_of(edited(path, tmp_path, change))
    assert (control.masks, control.sep, control.eom) == (0, None, None)
    assert control.vocabulary == control.end + 1


def test_the_end_token_must_be_there(path, tmp_path):
    def change(parsed):
        parsed["added_tokens"] = [t for t in parsed["added_tokens"] if "mask" in t["content"]]

    with pytest.raises(UsageError, match=r"has no end token: any of <\|endoftext\|>"):
        control_of(edited(path, tmp_path, change))
    with pytest.raises(UsageError, match="has no end token: '<stop>'"):
        control_of(path, end="<stop>")
    assert control_of(path, end="<eom>").end == control_of(path).eom


def test_masks_stand_at_equal_distances(path, tmp_path):
    def change(parsed):
        parsed["added_tokens"] = [t for t in parsed["added_tokens"] if t["content"] != "<mask_7>"]

    with pytest.raises(DataError, match="<mask_1> to <mask_16> are not ids at equal distances"):
        control_of(edited(path, tmp_path, change))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"model": {}, "added_tokens": []}'])
def test_what_is_no_tokenizer_is_named(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"tokenizer\.json: "):
        load_tokenizer(str(path))
