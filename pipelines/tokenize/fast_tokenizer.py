"""Byte-level BPE by gigatoken, for the tokenizers whose ids gigatoken reproduces.

gigatoken takes a tokenizer.json but ignores some of its fields, so `make_fast_tokenizer` accepts
only known values of them. `pipelines.tokenize.encoder` then compares ids with `tokenizers`.
"""

import json
from functools import cache
from typing import Any

import awkward as ak
import gigatoken
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer, pre_tokenizers

from manifests.tokenizer.byte_symbols import byte_symbols
from pipelines.tokenize.hard_texts import ASSIGNED

Tokens = npt.NDArray[np.uint32]

CACHED_TOKENS = 1 << 27
"""Encoded tokens after which the cache is dropped (ours: gigatoken 0.10 caches every pre-token
without a bound; the cache takes about 0.2 GB for so many tokens of source code, 2.5 GB for random
words)."""

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
SINGLE_DIGITS = {"type": "Digits", "individual_digits": True}

PLAIN_BPE: dict[str, tuple[Any, ...]] = {
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False, True),
}
"""Accepted values of the fields of a model; the other fields do not change the ids."""


class FastTokenizer:
    """Encodes columns of texts with gigatoken on the calling thread."""

    def __init__(
        self, definition: str, unsupported: str | None = None, cached_tokens: int = CACHED_TOKENS
    ) -> None:
        """Load a tokenizer.

        Args:
            definition: a tokenizer.json.
            unsupported: a regular expression of characters (RE2) that get other ids than those of
                the library `tokenizers`.
            cached_tokens: see CACHED_TOKENS.

        Raises:
            RuntimeError: gigatoken does not support the tokenizer.
        """
        self._definition = definition
        self._unsupported = unsupported
        self._cached_tokens = cached_tokens
        self._renew()

    def encode(self, texts: Any) -> list[Tokens]:
        """Return the ids of each text, uint32 [ids].

        Args:
            texts: an Arrow LargeStringArray without a null bitmap.
        """
        if self._tokens > self._cached_tokens:
            self._renew()
        # A thread pool that was started before a fork never answers in the child process.
        layout = self._tokenizer.encode_batch(ak.from_arrow(texts), parallel=False).layout
        ids, offsets = layout.content.data, layout.offsets.data.tolist()
        self._tokens += len(ids)
        return [ids[offsets[row] : offsets[row + 1]] for row in range(len(texts))]

    def unsupported_rows(self, texts: Any) -> Any:
        """Return the rows whose texts hold an unsupported character, an Arrow UInt64Array."""
        if self._unsupported is None:
            return pa.array([], pa.uint64())
        return pc.indices_nonzero(pc.match_substring_regex(texts, self._unsupported))

    def _renew(self) -> None:
        """Drop the cache: a new object has an empty one."""
        self._tokenizer = gigatoken.Tokenizer.from_json(self._definition)
        self._tokens = 0


def make_fast_tokenizer(tokenizer: Tokenizer) -> FastTokenizer | None:
    """Return the fast version of a tokenizer without control tokens; None where there is none."""
    parsed = json.loads(tokenizer.to_str())
    steps = _steps(parsed["pre_tokenizer"])
    single_digits = steps == [SINGLE_DIGITS, BYTE_LEVEL]
    known_steps = single_digits or steps == [BYTE_LEVEL] or _is_split(steps)
    if not known_steps or parsed["normalizer"] is not None:
        return None
    model, added = parsed["model"], parsed["added_tokens"]
    if not _is_plain(model) or not _are_matched_as_text(added):
        return None
    if single_digits:
        parsed["pre_tokenizer"] = BYTE_LEVEL
        parsed["added_tokens"] = [*added, *_digit_tokens(model["vocab"])]
    # gigatoken takes the text of an added token for a byte-level token where the vocabulary has it.
    texts = {token["content"] for token in added}
    vocabulary = {text: id for text, id in model["vocab"].items() if text not in texts}
    definition = json.dumps({**parsed, "model": {**model, "vocab": vocabulary}})
    try:
        return FastTokenizer(definition, _other_digits() if single_digits else None)
    except RuntimeError:  # a regular expression that gigatoken does not know
        return None


def _steps(pre_tokenizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the steps of a pre-tokenizer without `trim_offsets`, which changes no id."""
    if pre_tokenizer is None:
        return []
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    return [{key: step[key] for key in step if key != "trim_offsets"} for step in steps]


def _is_split(steps: list[dict[str, Any]]) -> bool:
    """Tell whether the steps are a split by a regular expression, then bytes: Llama 3, GPT-4."""
    if len(steps) != 2 or steps[1] != BYTES_ONLY:
        return False
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    pattern = steps[0].get("pattern", {})
    return steps[0] == {**split, "pattern": pattern} and "Regex" in pattern


def _is_plain(model: dict[str, Any]) -> bool:
    """Tell whether a model is a BPE over all bytes with known settings."""
    known = all(model.get(field) in values for field, values in PLAIN_BPE.items())
    return known and model["vocab"].keys() >= set(byte_symbols())


def _are_matched_as_text(added: list[dict[str, Any]]) -> bool:
    """Tell whether added tokens are found wherever their texts stand, the longest one first.

    `tokenizers` looks for those that are not `normalized` before the others.
    """
    flags = ("single_word", "lstrip", "rstrip")
    is_plain = not any(token[flag] for token in added for flag in flags)
    return is_plain and len({token["normalized"] for token in added}) <= 1


def _digit_tokens(vocabulary: dict[str, int]) -> list[dict[str, Any]]:
    """Return the ASCII digits as added tokens: text is split around them, as by `Digits`."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "special": False}
    return [
        {"id": vocabulary[digit], "content": digit, "normalized": False, **flags}
        for digit in "0123456789"
    ]


@cache
def _other_digits() -> str:
    """Return a regular expression of the digits of `Digits` that are not ASCII."""
    characters = "".join(chr(code) for codes in ASSIGNED for code in codes if code >= 0x80)
    pieces = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str(characters)
    # Pieces without and with digits alternate, and the first one is of control characters.
    return "[" + "".join(piece for piece, _ in pieces[1::2]) + "]"
