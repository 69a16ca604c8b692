"""Tokens cut in two between characters: the tokens of both parts, and documents cut in this way."""

import json
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from manifests.errors import UsageError
from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw
from manifests.tokenizer.byte_symbols import byte_symbols
from manifests.tokenizer.tokenizer import load_text_tokenizer
from objectives.tasks.kernels import copy

Numbers = npt.NDArray[np.int64]


class TokenSplits(NamedTuple):
    """The tokens of both parts of every token of a vocabulary, cut before each of its characters.

    The characters of a token are those that begin in it; a token of continuation bytes only has
    none. Entry first[t] + k cuts token t before its character k.

    Attributes:
        first: int64 [V + 1], the first entry of each token; control tokens have none.
        starts: int64 [E], the first id of an entry in `ids`.
        left: int64 [E], number of ids of the left part; 0 where the token begins with a character
            and is cut before it.
        right: int64 [E], number of ids of the right part, which follow those of the left part.
        ids: int64 [any].
        longest: number of ids of the longest entry.
        characters: uint16 [V], how many characters each token has.
    """

    first: Numbers
    starts: Numbers
    left: Numbers
    right: Numbers
    ids: Numbers
    longest: int
    characters: npt.NDArray[np.uint16]


_NONE = np.zeros(1, np.int64)
NO_SPLITS = TokenSplits(_NONE, _NONE, _NONE, _NONE, _NONE, 0, np.zeros(1, np.uint16))


@lru_cache(maxsize=2)
def make_splits(path: str) -> TokenSplits:
    """Return the parts of the tokens of a byte-level BPE; takes seconds at the first call.

    Each part is encoded alone, by the tokenizer's merges, so the bytes of both parts together are
    those of the token.

    Args:
        path: of a tokenizer.json.

    Raises:
        UsageError: the tokenizer is no byte-level BPE.
        DataError: the file is missing or is no tokenizer.json.
    """
    tokenizer = load_text_tokenizer(path)
    symbols = byte_symbols()
    model = _merges_alone(path, tokenizer, symbols)
    spelled = _spelled(tokenizer, symbols)
    cuts = {number: _cuts(text, symbols) for number, text in spelled.items()}
    parts = sorted({part for pairs in cuts.values() for pair in pairs for part in pair})
    encodings = model.encode_batch_fast(parts, add_special_tokens=False)
    encoded = {part: encoding.ids for part, encoding in zip(parts, encodings, strict=True)}
    counts, left, right, ids = [], [], [], []
    for number in range(max(spelled) + 1):
        pairs = cuts.get(number, [])
        counts.append(len(pairs))
        for before, after in pairs:
            one, other = encoded[before], encoded[after] if before else [number]
            left.append(len(one))
            right.append(len(other))
            ids += [*one, *other]
    sizes = np.add(left, right, dtype=np.int64)
    return TokenSplits(
        first=np.cumsum([0, *counts]),
        starts=np.cumsum([0, *sizes])[:-1],
        left=np.array(left, np.int64),
        right=np.array(right, np.int64),
        ids=np.array(ids, np.int64),
        longest=int(sizes.max()),
        characters=np.array(counts, np.uint16),
    )


def _merges_alone(path: str, tokenizer: Tokenizer, symbols: list[str]) -> Tokenizer:
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
    """Return id -> the token in byte symbols; added tokens are plain text in the file."""
    added = {n: token.content for n, token in tokenizer.get_added_tokens_decoder().items()}
    plain = {number: text for text, number in tokenizer.get_vocab().items()}
    return {
        number: "".join(symbols[byte] for byte in added[number].encode()) if number in added else t
        for number, t in plain.items()
    }


def _cuts(text: str, symbols: list[str]) -> list[tuple[str, str]]:
    """Return both parts of a token in byte symbols, cut before each of its characters."""
    continuation = {symbols[byte] for byte in range(0x80, 0xC0)}
    return [(text[:i], text[i:]) for i, symbol in enumerate(text) if symbol not in continuation]


@compiled()
def draw_cuts(tokens: Any, key: np.uint64, index: int, splits: TokenSplits, cuts: Numbers) -> int:
    """Draw two places of a segment, uniform over those between its characters and at its ends.

    Args:
        tokens: of the segment.
        key: key of the random numbers.
        index: the first of two numbers of `key` to use.
        splits: parts of tokens.
        cuts: int64 [4], for the token of the first place, the number of the character in the token,
            and both for the second place.

    Returns:
        By how many tokens the segment grows if it is cut there.
    """
    characters = 0
    for token in tokens:
        characters += splits.characters[token]
    one = below(draw(key, index), characters + 1)
    other = below(draw(key, index + 1), characters + 1)
    front, entry = _token_at(tokens, 0, min(one, other), splits)
    back, another = _token_at(tokens, 0, max(one, other), splits)
    cuts[0], cuts[1], cuts[2], cuts[3] = front, entry, back, another
    if front == len(tokens) or (front == back and entry == another):
        return _growth(tokens, back, another, splits)
    if front < back:
        return _growth(tokens, front, entry, splits) + _growth(tokens, back, another, splits)
    number = splits.first[tokens[back]] + another
    left = splits.ids[splits.starts[number] : splits.starts[number] + splits.left[number]]
    inner, entry = _token_at(left, 0, entry, splits)
    return _growth(left, inner, entry, splits) + _growth(tokens, back, another, splits)


@compiled()
def _growth(tokens: Any, at: int, entry: int, splits: TokenSplits) -> int:
    """Return by how many tokens a segment grows if token `at` is cut before a character."""
    if at == len(tokens):
        return 0
    number = splits.first[tokens[at]] + entry
    return int(splits.left[number] + splits.right[number] - 1)


@compiled()
def cut_at_characters(
    tokens: Any, cuts: Numbers, splits: TokenSplits, work: Numbers
) -> tuple[int, int, int]:
    """Cut a segment at two characters.

    Args:
        tokens: of the segment.
        cuts: int64 [4], of `draw_cuts`.
        splits: parts of tokens.
        work: int64 [any], for the tokens of the segment with the parts of cut tokens.

    Returns:
        Both cuts, ascending, as offsets in `work`, and the number of tokens in `work`.
    """
    front, entry, back, another = cuts[0], cuts[1], cuts[2], cuts[3]
    total = copy(tokens, 0, len(tokens), work, 0)
    # The second cut is made first, so that the first one still counts in the segment's tokens.
    back_cut, total = _cut_token(work, total, back, another, splits)
    if front == back:
        front, entry = _token_at(work[:total], front, entry, splits)
    front_cut, grown = _cut_token(work, total, front, entry, splits)
    return front_cut, back_cut + grown - total, grown


@compiled()
def _token_at(tokens: Any, start: int, character: int, splits: TokenSplits) -> tuple[int, int]:
    """Return the index of the token in which a character begins, and its number in that token.

    Characters are counted from token `start` on. For the character behind the last one the result
    is the number of tokens, and 0.
    """
    for at in range(start, len(tokens)):
        characters = splits.characters[tokens[at]]
        if character < characters:
            return at, character
        character -= characters
    return len(tokens), 0


@compiled()
def _cut_token(
    work: Numbers, total: int, at: int, entry: int, splits: TokenSplits
) -> tuple[int, int]:
    """Put both parts of a token in its place; return where the right part begins, and the total."""
    if at == total:
        return at, total
    number = splits.first[work[at]] + entry
    start, left, right = splits.starts[number], splits.left[number], splits.right[number]
    grown = left + right - 1
    if grown:
        work[at + 1 + grown : total + grown] = work[at + 1 : total].copy()
    work[at : at + left + right] = splits.ids[start : start + left + right]
    return at + left, total + grown
