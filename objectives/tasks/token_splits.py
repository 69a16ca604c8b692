"""Tokens cut in two between characters: what each half is, in tokens of the same vocabulary."""

import json
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from manifests.errors import UsageError
from manifests.tokenizer.byte_symbols import byte_symbols
from manifests.tokenizer.tokenizer import load_text_tokenizer


class Halves(NamedTuple):
    """The halves of every token of a text vocabulary, at each of its characters.

    A token's characters are those that begin in it: a token of bytes that only go on with a
    character has none. Entry first[t] + k cuts token t before its character k.

    Attributes:
        first: int64 [V + 1], where each token's entries begin; control tokens have none.
        starts: int64 [E], where an entry's ids begin in `ids`.
        left: int64 [E], how many ids the left half has; 0 where the token begins with a character
            and is cut before it.
        right: int64 [E], how many ids the right half has: they follow the left half's.
        ids: int64 [any].
        most: how many ids the longest entry has.
    """

    first: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    most: int


@lru_cache(maxsize=2)
def make_halves(path: str) -> Halves:
    """Return the halves of the tokens of a byte-level BPE; it takes seconds, once.

    A half is encoded as if it stood alone, by the tokenizer's own merges: the bytes of both
    halves together are those of the token.

    Args:
        path: of a tokenizer.json.

    Raises:
        UsageError: the tokenizer is no byte-level BPE.
        DataError: the file is missing or is no tokenizer.json.
    """
    tokenizer = load_text_tokenizer(path)
    symbols = byte_symbols()
    model = _model(path, tokenizer, symbols)
    spelled = _spelled(tokenizer, symbols)
    cut = {number: _cuts(text, symbols) for number, text in spelled.items()}
    halves = sorted({half for pairs in cut.values() for pair in pairs for half in pair})
    encoded = model.encode_batch_fast(halves, add_special_tokens=False)
    known = {half: encoding.ids for half, encoding in zip(halves, encoded, strict=True)}
    counts, left, right, ids = [], [], [], []
    for number in range(max(spelled) + 1):
        pairs = cut.get(number, [])
        counts.append(len(pairs))
        for before, after in pairs:
            one, other = known[before], known[after] if before else [number]
            left.append(len(one))
            right.append(len(other))
            ids += [*one, *other]
    sizes = np.add(left, right, dtype=np.int64)
    return Halves(
        first=np.cumsum([0, *counts]),
        starts=np.cumsum([0, *sizes])[:-1],
        left=np.array(left, np.int64),
        right=np.array(right, np.int64),
        ids=np.array(ids, np.int64),
        most=int(sizes.max()),
    )


def _model(path: str, tokenizer: Tokenizer, symbols: list[str]) -> Tokenizer:
    """Return the tokenizer's merges alone, for texts that are spelled in byte symbols."""
    parsed = json.loads(tokenizer.to_str())
    vocabulary = parsed["model"].get("vocab", {})
    if parsed["model"].get("type") != "BPE" or any(s not in vocabulary for s in symbols):
        raise UsageError(
            f"{path}: is no byte-level BPE: its tokens cannot be cut between characters"
        )
    without = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    bare = {**parsed, **without, "added_tokens": []}
    return Tokenizer.from_str(json.dumps(bare))


def _spelled(tokenizer: Tokenizer, symbols: list[str]) -> dict[int, str]:
    """Return id -> the token in byte symbols; added tokens are written as text in the file."""
    added = {n: token.content for n, token in tokenizer.get_added_tokens_decoder().items()}
    plain = {number: text for text, number in tokenizer.get_vocab().items()}
    return {
        number: "".join(symbols[byte] for byte in added[number].encode()) if number in added else t
        for number, t in plain.items()
    }


def _cuts(text: str, symbols: list[str]) -> list[tuple[str, str]]:
    """Return both halves of a token for each of its characters, in byte symbols."""
    going_on = {symbols[byte] for byte in range(0x80, 0xC0)}
    return [(text[:i], text[i:]) for i, symbol in enumerate(text) if symbol not in going_on]
