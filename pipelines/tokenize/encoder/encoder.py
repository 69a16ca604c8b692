"""Texts to ids, always those of `tokenizers`: by the kernel where it knows the tokenizer.

That it does is proven on hard texts each time a tokenizer is loaded, and a share of the documents
is encoded by both as a job runs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer

from manifests.errors import DataError
from manifests.prng.splitmix import draw, name_number
from manifests.tokenizer.tokenizer import encode_documents, load_text_tokenizer
from pipelines.tokenize.encoder.cache import make_cache
from pipelines.tokenize.encoder.hard_texts import hard_texts, vocabulary_texts
from pipelines.tokenize.encoder.kernel import Tables, encode
from pipelines.tokenize.encoder.pre_tokens import PADDING
from pipelines.tokenize.encoder.tables import make_tables

Tokens = npt.NDArray[np.uint32]

CHECKED = 1000
"""One document in so many is encoded by `tokenizers` too: at a thirtieth of the speed, that takes
a thirtieth of the time."""

CHECKED_TOKENS = 1 << 18
"""Of a document that is encoded twice, at most: `tokenizers` needs seconds for longer ones."""

_KEY = name_number("documents that both encoders encode")


class Encoder:
    """Encodes columns of texts without control tokens, and remembers what words became."""

    def __init__(self, tokenizer: Tokenizer, tables: Tables | None) -> None:
        """Encode as `tokenizer` does, by the kernel where there are `tables`."""
        self.tokenizer = tokenizer
        self.tables = tables
        self._cache = make_cache()

    @property
    def is_fast(self) -> bool:
        """Whether the kernel encodes."""
        return self.tables is not None

    def encode(self, texts: Any) -> list[Tokens]:
        """Return the ids of each text, uint32 [ids], nothing added at either end.

        Args:
            texts: an Arrow array or chunked array of strings.

        Raises:
            DataError: a text is not UTF-8.
        """
        array = _plain(texts)
        if self.tables is None:
            return encode_documents(self.tokenizer, array.to_pylist())
        data, offsets = _padded(array)
        ids = np.empty(len(data), np.uint32)
        starts = encode(data, offsets, self.tables, self._cache, ids).tolist()
        return [ids[starts[i] : starts[i + 1]] for i in range(len(array))]

    def check(self, texts: Any, hashes: Sequence[bytes], encoded: Sequence[Tokens]) -> None:
        """Encode a share of the texts by `tokenizers` as well: of which, their hashes decide.

        Args:
            texts: what was encoded.
            hashes: of each text; the same text is always checked, or never.
            encoded: the ids of each.

        Raises:
            DataError: the ids of a text are not the same.
        """
        if self.tables is None:
            return
        rows = [
            row
            for row, text_hash in enumerate(hashes)
            if is_checked(text_hash) and len(encoded[row]) <= CHECKED_TOKENS
        ]
        column = _plain(texts)
        chosen = [column[row].as_py() for row in rows]
        for row, ids in zip(rows, encode_documents(self.tokenizer, chosen), strict=True):
            if not np.array_equal(ids, encoded[row]):
                raise DataError(
                    f"text {hashes[row].hex()}: the fast encoder gives other ids than the library "
                    "`tokenizers`; this is a fault of Stackpile: please report it, and remove the "
                    f"shards that this job has written, for only one text in {CHECKED} is checked"
                )


def load_encoder(path: str) -> Encoder:
    """Return the encoder of a tokenizer.json; raises as `load_text_tokenizer` does."""
    return make_encoder(load_text_tokenizer(path))


def make_encoder(tokenizer: Tokenizer) -> Encoder:
    """Return the encoder of a tokenizer without control tokens: fast where that is proven."""
    encoder = Encoder(tokenizer, make_tables(tokenizer))
    return encoder if is_proven(encoder, tokenizer) else Encoder(tokenizer, None)


def is_proven(encoder: Encoder, tokenizer: Tokenizer) -> bool:
    """Tell whether hard texts and all tokens give the ids of `tokenizers`, twice over.

    The second time what is asked lies in the cache.
    """
    if not encoder.is_fast:
        return True
    texts = [*hard_texts(), *vocabulary_texts(tokenizer.get_vocab())]
    column = pa.array(texts, pa.large_string())
    expected = encode_documents(tokenizer, texts)
    return all(
        np.array_equal(ids, known)
        for _ in range(2)
        for ids, known in zip(encoder.encode(column), expected, strict=True)
    )


def is_checked(text_hash: bytes) -> bool:
    """Tell whether a text is one of those that are encoded twice, by its hash."""
    return draw(_KEY, int.from_bytes(text_hash[:8], "little")) % CHECKED == 0


def _plain(texts: Any) -> Any:
    """Return one Arrow array of large strings, checked to be UTF-8, null read as empty."""
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    array = array.cast(pa.large_string())
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"a text is not UTF-8: {error}") from None
    return array.fill_null("") if array.null_count else array


def _padded(array: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the texts' bytes, PADDING more, and int64 [n + 1], where each starts."""
    if len(array) == 0:
        return np.zeros(PADDING, np.uint8), np.zeros(1, np.int64)
    _, places, content = array.buffers()
    offsets = np.frombuffer(places, np.int64, len(array) + 1, 8 * array.offset)
    data = np.zeros(int(offsets[-1] - offsets[0]) + PADDING, np.uint8)
    if content is not None:
        data[:-PADDING] = np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets - offsets[0]
