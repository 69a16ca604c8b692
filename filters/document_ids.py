"""Ids of documents and hashes of texts: 128-bit blake2b."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.utf8 import Bytes, Offsets, collapse_whitespace, text_bytes
from manifests.ranges import ranges_within

WIDTH = 16
"""Number of bytes of an id or a hash."""

PIECE = 1 << 24
"""Bytes of text that are normalized at a time, which bounds the memory of a long document."""

SPACES = frozenset(b" \t\n\v\f\r")


def document_ids(
    source: str, repositories: Sequence[Sequence[str | None]], paths: Sequence[str], texts: Any
) -> Any:
    """Return the id of each document: blake2b-128 of (source, repositories, path, text).

    The length in bytes precedes every field, and the number of repositories precedes the
    repositories. So documents with different fields never hash the same bytes. Ids are for users
    and opt-outs. Ids are not unique, because data sets repeat documents.

    Args:
        source: name of the source of all documents.
        repositories: n lists of repository names, in the source's order; null reads as "".
        paths: n paths.
        texts: Arrow strings [n], unchanged from the source.

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

    Each run of ASCII whitespace counts as one space, and whitespace at both ends is dropped. So
    copies that differ in line ends, indentation width or trailing blanks are equal. Case, digits
    and punctuation are kept, because they distinguish code. Other whitespace is kept, so the hash
    does not depend on the Unicode tables of a Python version.
    """
    data, offsets = text_bytes(texts)
    hashes: list[bytes] = []
    for start, stop in ranges_within(offsets, PIECE):
        if offsets[stop] - offsets[start] <= PIECE:
            hashes += _hashes(*collapse_whitespace(data, offsets[start : stop + 1]))
        else:
            hashes.append(_normalized(data[offsets[start] : offsets[stop]]))
    return _binary(hashes)


def _normalized(text: Bytes) -> bytes:
    """Return the normalized hash of one long text, computed a piece at a time."""
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


def as_uint64(column: Any) -> npt.NDArray[np.uint64]:
    """Return a column of binary(8 x k) [n] without nulls as uint64 [n, k]."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.byte_width // 8
    if len(array) == 0:
        return np.empty((0, width), np.uint64)
    data = np.frombuffer(array.buffers()[1], "<u8", (array.offset + len(array)) * width)
    return data.reshape(-1, width)[array.offset :]


def as_binary(rows: npt.NDArray[np.uint64]) -> Any:
    """Return uint64 [n, k] as Arrow binary(8 x k) [n]: the inverse of `as_uint64`."""
    count, width = rows.shape
    data = pa.py_buffer(np.ascontiguousarray(rows, "<u8"))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8 * width), count, [None, data])


def heldout(
    repositories: Sequence[Sequence[str | None]], ids: Any, share: float, also: str | None = None
) -> npt.NDArray[np.bool_]:
    """Return the mask of held-out documents, bool [n]: a `share` of all repositories.

    A keyed hash of a document's first repository, in lower case as on GitHub, decides; without a
    repository a hash of the id. The hash does not depend on source, path or text, so all documents
    of a repository are on the same side.

    Args:
        repositories: n lists of names.
        ids: Arrow binary(16) array [n].
        share: 0 to 1.
        also: `group_name` of a repository or document that is held out besides.
    """
    names = group_names(repositories, ids)
    is_heldout = {name: name == also or is_in_share(name, share) for name in set(names)}
    return np.array([is_heldout[name] for name in names], bool)


def group_names(repositories: Sequence[Sequence[str | None]], ids: Any) -> list[str]:
    """Return the name of the group of each of n documents, which is held out as a whole.

    The name is the first repository in lower case, or the id as hexadecimal digits without one.
    """
    firsts = [names[0] if names else None for names in repositories]
    pairs = zip(firsts, ids.to_pylist(), strict=True)
    return [first.lower() if first else id_.hex() for first, id_ in pairs]


def is_in_share(name: str, share: float) -> bool:
    """Return whether a group of `group_names` is held out at a share of all groups."""
    return heldout_hash(name) < int(Fraction(share) * 2**64)


def heldout_hash(name: str) -> int:
    """Return the hash of a group of `group_names`, 0 to 2^64 - 1."""
    state = hashlib.blake2b(name.encode(), digest_size=8, person=b"stackpile held")
    return int.from_bytes(state.digest(), "little")


def _framed(text: str) -> bytes:
    """Return the UTF-8 of a text, preceded by its length."""
    data = text.encode()
    return len(data).to_bytes(8, "little") + data


def _hashes(data: Bytes, offsets: Offsets) -> list[bytes]:
    """Return the hash of each text."""
    view = memoryview(data.data)
    return [
        hashlib.blake2b(view[start:stop], digest_size=WIDTH).digest()
        for start, stop in pairwise(offsets.tolist())
    ]


def _binary(digests: list[bytes]) -> Any:
    """Return digests as Arrow binary(16) [n]."""
    return pa.array(digests, pa.binary(WIDTH))
