"""What a document is called, and which texts are the same: 128-bit blake2b throughout."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.utf8 import Bytes, Offsets, collapse_whitespace, text_bytes

WIDTH = 16
"""Bytes of an id or a hash."""

PIECE = 1 << 24
"""Bytes of text that are rewritten at once: what a long document takes beside itself."""

SPACES = frozenset(b" \t\n\v\f\r")


def document_ids(
    source: str, repositories: Sequence[Sequence[str | None]], paths: Sequence[str], texts: Any
) -> Any:
    """Return the id of each document: blake2b-128 of (source, repositories, path, text).

    Every field is preceded by its length in bytes, and the repositories by their number, so two
    documents with different fields never hash the same bytes. Ids are for people and opt-outs;
    they are not unique, because data sets repeat documents.

    Args:
        source: name of the source that all documents come from.
        repositories: n lists of repository names, in the source's order; null reads as "".
        paths: n paths.
        texts: Arrow strings [n], as the source gave them.

    Returns:
        Arrow binary(16) array [n].
    """
    data, offsets = text_bytes(texts)
    view = memoryview(data.data)
    start = hashlib.blake2b(_framed(source), digest_size=WIDTH, person=b"stackpile id")
    digests = []
    for i, (names, path) in enumerate(zip(repositories, paths, strict=True)):
        state = start.copy()
        state.update(len(names).to_bytes(8, "little") + b"".join(_framed(n or "") for n in names))
        text = view[offsets[i] : offsets[i + 1]]
        state.update(_framed(path) + len(text).to_bytes(8, "little"))
        state.update(text)
        digests.append(state.digest())
    return _binary(digests)


def text_hashes(texts: Any) -> Any:
    """Return blake2b-128 of each text's UTF-8: Arrow strings [n] -> binary(16) [n]."""
    return _binary(_hashes(*text_bytes(texts)))


def normalized_hashes(texts: Any) -> Any:
    """Return blake2b-128 of each text without its layout: Arrow strings [n] -> binary(16) [n].

    Each run of ASCII whitespace counts as one space, and none counts at either end, so copies
    that differ in line ends, indentation width or trailing blanks are equal. Nothing else is
    touched: case, digits and punctuation tell code apart. Only ASCII whitespace, so the hash does
    not depend on the Unicode tables of a Python version.
    """
    data, offsets = text_bytes(texts)
    hashes: list[bytes] = []
    while len(hashes) < len(offsets) - 1:
        low = len(hashes)
        high = int(np.searchsorted(offsets, offsets[low] + PIECE, side="right")) - 1
        if high > low:
            hashes += _hashes(*collapse_whitespace(data, offsets[low : high + 1]))
        else:
            hashes.append(_normalized(data[offsets[low] : offsets[low + 1]]))
    return _binary(hashes)


def _normalized(text: Bytes) -> bytes:
    """Return the normalized hash of one long text, a piece at a time."""
    state = hashlib.blake2b(digest_size=WIDTH)
    begun = spaced = False
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        words, _ = collapse_whitespace(piece, np.array([0, len(piece)]))
        if len(words):
            state.update(b" " if begun and (spaced or int(piece[0]) in SPACES) else b"")
            state.update(words.data)
            begun = True
        spaced = int(piece[-1]) in SPACES
    return state.digest()


def words(column: Any) -> npt.NDArray[np.uint64]:
    """Return a column of binary(8 x k), n of them without null, as uint64 [n, k] to compare by."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.byte_width // 8
    if len(array) == 0:
        return np.empty((0, width), np.uint64)
    data = np.frombuffer(array.buffers()[1], "<u8", (array.offset + len(array)) * width)
    return data.reshape(-1, width)[array.offset :]


def binary(rows: npt.NDArray[np.uint64]) -> Any:
    """Return uint64 [n, k] as Arrow binary(8 x k) [n]: the way back from `words`."""
    count, width = rows.shape
    data = pa.py_buffer(np.ascontiguousarray(rows, "<u8"))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8 * width), count, [None, data])


def heldout(
    repositories: Sequence[Sequence[str | None]], ids: Any, share: float
) -> npt.NDArray[np.bool_]:
    """Return which documents are set aside for validation: a `share` of all repositories.

    A keyed hash of the first repository decides, letter case ignored as GitHub does; of the
    document's id where there is no repository. It does not depend on source, path or text, so a
    repository is never on both sides.

    Args:
        repositories: n lists of names.
        ids: Arrow binary(16) array [n].
        share: from 0 to 1.
    """
    limit = int(Fraction(share) * 2**64)
    keys = [names[0].lower().encode() if names and names[0] else None for names in repositories]
    chosen = {key: _heldout_hash(key) < limit for key in set(keys) if key is not None}
    return np.array(
        [
            chosen[key] if key is not None else _heldout_hash(id_) < limit
            for key, id_ in zip(keys, ids.to_pylist(), strict=True)
        ],
        bool,
    )


def _heldout_hash(key: bytes) -> int:
    state = hashlib.blake2b(key, digest_size=8, person=b"stackpile held")
    return int.from_bytes(state.digest(), "little")


def _framed(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(8, "little") + data


def _hashes(data: Bytes, offsets: Offsets) -> list[bytes]:
    view = memoryview(data.data)
    places = offsets.tolist()
    return [
        hashlib.blake2b(view[places[i] : places[i + 1]], digest_size=WIDTH).digest()
        for i in range(len(places) - 1)
    ]


def _binary(digests: list[bytes]) -> Any:
    buffers = [None, pa.py_buffer(b"".join(digests))]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(WIDTH), len(digests), buffers)
