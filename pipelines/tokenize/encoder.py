"""Encode columns of texts to the ids of the library `tokenizers`.

gigatoken encodes where its ids are proven equal on hard texts when a tokenizer is loaded, and
`tokenizers` elsewhere. One document in CHECKED is encoded by both while a job runs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from manifests.errors import DataError
from manifests.tokenizer.tokenizer import encode_documents, load_text_tokenizer
from pipelines.tokenize.fast_tokenizer import FastTokenizer, Tokens, make_fast_tokenizer
from pipelines.tokenize.hard_texts import hard_texts, vocabulary_texts

CHECKED = 1000
"""One document in so many is encoded by `tokenizers` too (ours: `tokenizers` takes 20 to 50 times
as long, so the check takes 2 to 5 % of the time)."""

CHECKED_TOKENS = 1 << 18
"""Longer documents are not checked (ours: `tokenizers` needs seconds for one)."""


class Encoder:
    """Encodes columns of texts without control tokens."""

    def __init__(
        self, tokenizer: Tokenizer, fast: FastTokenizer | None, checked: int = CHECKED
    ) -> None:
        """Encode as `tokenizer` does, by `fast` where that is not None."""
        self.tokenizer = tokenizer
        self._fast = fast
        self._checked = checked

    @property
    def is_fast(self) -> bool:
        """Whether gigatoken encodes."""
        return self._fast is not None

    def encode(self, texts: Any) -> list[Tokens]:
        """Return the ids of each text, uint32 [ids], nothing added at either end.

        Args:
            texts: an Arrow array or chunked array of strings; null is read as empty.

        Raises:
            DataError: a text is not UTF-8.
        """
        array = _plain(texts)
        if self._fast is None:
            return encode_documents(self.tokenizer, array.to_pylist())
        encoded = self._fast.encode(array)
        rows = self._fast.unsupported_rows(array)
        slow = encode_documents(self.tokenizer, array.take(rows).to_pylist())
        for row, ids in zip(rows.to_pylist(), slow, strict=True):
            encoded[row] = ids
        return encoded

    def check(self, texts: Any, hashes: Sequence[bytes], encoded: Sequence[Tokens]) -> None:
        """Encode a sample of the texts by `tokenizers` and compare the ids.

        Args:
            texts: what was encoded.
            hashes: of each text; they decide which texts are in the sample.
            encoded: the ids of each text.

        Raises:
            DataError: the ids of a text differ.
        """
        if self._fast is None:
            return
        rows = [
            row
            for row, text_hash in enumerate(hashes)
            if is_checked(text_hash, self._checked) and len(encoded[row]) <= CHECKED_TOKENS
        ]
        sample = [text or "" for text in texts.take(pa.array(rows, pa.int64())).to_pylist()]
        for row, ids in zip(rows, encode_documents(self.tokenizer, sample), strict=True):
            if not np.array_equal(ids, encoded[row]):
                raise DataError(
                    f"text {hashes[row].hex()}: gigatoken gives other ids than the library "
                    "`tokenizers`; please report this fault of Stackpile, and remove the shards "
                    f"that this job has written, because only one text in {self._checked} is "
                    "checked"
                )


def load_encoder(path: str) -> Encoder:
    """Return the encoder of a tokenizer.json; raises as `load_text_tokenizer` does."""
    return make_encoder(load_text_tokenizer(path))


def make_encoder(tokenizer: Tokenizer) -> Encoder:
    """Return the encoder of a tokenizer without control tokens: fast where that is proven."""
    return proven(Encoder(tokenizer, make_fast_tokenizer(tokenizer)))


def proven(encoder: Encoder) -> Encoder:
    """Return the encoder, or one that is not fast where hard texts or a token get other ids."""
    slow = Encoder(encoder.tokenizer, None)
    if not encoder.is_fast:
        return slow
    texts = [*hard_texts(), *vocabulary_texts(encoder.tokenizer.get_vocab())]
    column = pa.array(texts, pa.large_string())
    expected = slow.encode(column)
    for _ in range(2):  # the second time the cache answers
        if not all(map(np.array_equal, encoder.encode(column), expected)):
            return slow
    return encoder


def is_checked(text_hash: bytes, checked: int = CHECKED) -> bool:
    """Tell whether a text is in the sample that is encoded twice, by its hash."""
    return int.from_bytes(text_hash[:8], "little") % checked == 0


def _plain(texts: Any) -> Any:
    """Return one Arrow array of large strings, checked to be UTF-8, null read as empty."""
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    array = array.cast(pa.large_string())
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"a text is not UTF-8: {error}") from None
    array = array.fill_null("")
    _, offsets, characters = array.buffers()  # awkward reads nulls where there is a null bitmap
    return pa.LargeStringArray.from_buffers(len(array), offsets, characters, offset=array.offset)
