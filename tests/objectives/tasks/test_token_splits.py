"""Parts of tokens: the same bytes, at every character."""

import pytest
from tokenizers import Tokenizer, models

from manifests.errors import UsageError
from manifests.tokenizer.byte_symbols import byte_symbols
from manifests.tokenizer.tokenizer import load_text_tokenizer, train_tokenizer
from objectives.tasks.token_splits import make_splits

TEXTS = [
    "for 中文 in übergröße:\n\treturn 'naïve' # 中文中文 🦀🦀\n" * 20,
    "the theory of the thing " * 20,
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(train_tokenizer(TEXTS, 400, 4))
    return str(path)


def bytes_of_tokens(path):
    """id -> the token's bytes."""
    numbers = {symbol: number for number, symbol in enumerate(byte_symbols())}
    vocabulary = load_text_tokenizer(path).get_vocab()
    return {
        number: bytes(numbers[symbol] for symbol in text) for text, number in vocabulary.items()
    }


def test_both_parts_have_the_bytes_of_the_token(path):
    splits, spelled = make_splits(path), bytes_of_tokens(path)
    parts = 0
    for token, data in spelled.items():
        begins = [at for at, byte in enumerate(data) if byte & 0xC0 != 0x80]
        entries = range(splits.first[token], splits.first[token + 1])
        assert len(entries) == len(begins)
        for entry, at in zip(entries, begins, strict=True):
            start, left, right = splits.starts[entry], splits.left[entry], splits.right[entry]
            ids = splits.ids[start : start + left + right].tolist()
            assert left + right <= splits.longest
            assert b"".join(spelled[i] for i in ids[:left]) == data[:at]
            assert b"".join(spelled[i] for i in ids[left:]) == data[at:]
            parts += left > 1
    assert parts  # some splits are several tokens


def test_a_part_is_encoded_by_the_merges(path):
    """Not byte by byte: "the" cut out of " the" is one token, as it is alone."""
    splits, tokenizer = make_splits(path), load_text_tokenizer(path)
    token, alone = tokenizer.token_to_id("\u0120the"), tokenizer.encode("the").ids
    entry = splits.first[token] + 1
    start = splits.starts[entry] + splits.left[entry]
    assert splits.ids[start : start + splits.right[entry]].tolist() == alone


def test_a_tokenizer_of_words_cannot_be_cut(tmp_path):
    path = tmp_path / "tokenizer.json"
    words = Tokenizer(models.WordLevel({"<|endoftext|>": 0, "a": 1}, unk_token="a"))
    words.add_special_tokens(["<|endoftext|>"])
    words.save(str(path))
    with pytest.raises(UsageError, match="is no byte-level BPE"):
        make_splits(str(path))
