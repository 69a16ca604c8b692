"""What a tokenizer.json says, as the arrays of the kernel; None where the kernel cannot do it."""

import json
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from manifests.tokenizer.byte_symbols import byte_symbols
from pipelines.tokenize.encoder.kernel import Tables
from pipelines.tokenize.encoder.merging import Ids, merge_table
from pipelines.tokenize.encoder.pre_tokens import classes

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
DIGITS_ALONE = {"type": "Digits", "individual_digits": True}

PLAIN_BPE: dict[str, tuple[Any, ...]] = {
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}
"""Fields of a model and the values of them that the kernel knows; others it need not know."""


def make_tables(tokenizer: Tokenizer) -> Tables | None:
    """Return the tables of a byte-level BPE: GPT-2's, CodeGen's, StarCoder's and the like."""
    parsed = json.loads(tokenizer.to_str())
    model, digits_alone = parsed["model"], _digits_alone(parsed["pre_tokenizer"])
    if digits_alone is None or parsed["normalizer"] is not None or not _is_plain(model):
        return None
    vocabulary = model["vocab"]
    symbols = [vocabulary.get(symbol, -1) for symbol in byte_symbols()]
    trie = _trie(parsed["added_tokens"])
    if min(symbols) < 0 or trie is None:
        return None
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    merges = [
        (vocabulary[left], vocabulary[right], vocabulary[left + right]) for left, right in pairs
    ]
    return Tables(
        classes=classes(digits_alone),
        trie=trie[0],
        ends=trie[1],
        symbols=np.array(symbols, np.int32),
        merges=merge_table(np.array(merges, np.uint64)),
    )


def _digits_alone(pre_tokenizer: Any) -> bool | None:
    """Tell whether digits stand alone; None where the pre-tokenizer is one that is not known."""
    if pre_tokenizer is None:
        return None
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    kept = [{key: step[key] for key in step if key != "trim_offsets"} for step in steps]
    return len(kept) == 2 if kept in ([BYTE_LEVEL], [DIGITS_ALONE, BYTE_LEVEL]) else None


def _is_plain(model: dict[str, Any]) -> bool:
    return all(model.get(field) in known for field, known in PLAIN_BPE.items())


def _trie(added: list[dict[str, Any]]) -> tuple[Ids, Ids] | None:
    """Return the trie of added tokens; None where they are matched in another way than as text.

    The library looks first for those of which `normalized` is false, in the whole text, then for
    the others in what is left: with both kinds one pass does not do.
    """
    nodes: list[dict[int, int]] = [{}]
    ends = [-1]
    if any(token["single_word"] or token["lstrip"] or token["rstrip"] for token in added):
        return None
    if len({token["normalized"] for token in added}) > 1:
        return None
    for token in added:
        node = 0
        for byte in token["content"].encode():
            if byte not in nodes[node]:
                nodes[node][byte] = len(nodes)
                nodes.append({})
                ends.append(-1)
            node = nodes[node][byte]
        ends[node] = token["id"]
    trie = np.zeros((len(nodes), 256), np.int32)
    for number, following in enumerate(nodes):
        for byte, node in following.items():
            trie[number, byte] = node
    return trie, np.array(ends, np.int32)
