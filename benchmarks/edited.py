"""Make a large corpus of a small one: copies of every text with seeded edits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from filters.utf8 import Bytes, Offsets, text_bytes
from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, derive, derive_key, draw

SEED = 1

MAX_SHARE = 0.1
"""Largest share of the words of a text that are replaced. The share of a text is drawn evenly below
it. At 4 % two texts share 0.7 of their 5-grams, so about two copies in five are near-duplicates of
the text, as in The Stack (its card: 40 % of the permissive files)."""


def copies(texts: Any, count: int) -> Iterator[Any]:
    """Yield Arrow strings [n] `count` times: first unchanged, then with different edits."""
    yield texts
    for copy in range(1, count):
        yield edited(texts, derive_key(SEED, "copy", copy))


def edited(texts: Any, key: int) -> Any:
    """Return Arrow strings [n] with some words replaced by others of the same length."""
    data, offsets = text_bytes(texts)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    _edit(data, offsets, np.uint64(key), int(MAX_SHARE * 2**32), out)
    starts = pa.py_buffer(offsets - offsets[0])
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, starts, pa.py_buffer(out))


@compiled()
def _edit(data: Bytes, offsets: Offsets, key: np.uint64, most: int, out: Bytes) -> None:
    """Fill `out` with the edited texts; `most` is MAX_SHARE in units of 2**-32."""
    for document in range(len(offsets) - 1):
        own = derive(key, document)
        share = below(draw(own, 0), most)
        word, shift, inside = 0, 0, False
        for i in range(offsets[document], offsets[document + 1]):
            byte = data[i]
            lower = byte | 32
            letter = 97 <= lower <= 122
            if letter and not inside:
                word += 1
                number = draw(own, word)
                replaced = np.int64(number >> np.uint64(32)) < share
                shift = 1 + below(number << np.uint64(32), 25) if replaced else 0
            if letter:
                byte = byte - lower + 97 + (lower - 97 + shift) % 26
            out[i - offsets[0]] = byte
            inside = letter
