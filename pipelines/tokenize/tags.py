"""Tags of texts as control ids: `<reponame>`, `<issue_start>`, `<commit_msg>` and others.

Only tags that the columns of a row confirm are looked at (`prefix` and `tags` of documents/). All
others are text, as every other text that looks like a control token.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters import document_ids
from manifests.errors import UsageError
from manifests.tokenizer.tokenizer import token_ids
from pipelines.corpus.source_table import TagMode
from pipelines.sources.starcoder_tags import TAG
from pipelines.tokenize.fast_tokenizer import Tokens

Piece = str | int
"""A text, or the id of a control token."""

NAME = re.compile("<[a-z_]+>")


def tag_ids(path: str) -> dict[str, int]:
    """Return tag -> id, for the tags that the vocabulary of a tokenizer.json has."""
    return {name: id_ for name, id_ in token_ids(path).items() if TAG.fullmatch(name)}


def resolve_mode(mode: TagMode | None, ids: Mapping[str, int], source: str) -> TagMode:
    """Return what becomes of the confirmed tags of a source.

    Args:
        mode: the setting `tags` of the source.
        ids: of `tag_ids`.
        source: name of the source, for the error.

    Raises:
        UsageError: tags are to be converted, and the vocabulary has none.
    """
    if mode == "convert" and not ids:
        raise UsageError(
            f'source {source}: tags = "convert": the tokenizer has no <reponame> or other tags; '
            'take { codegen25 = "vocab.bpe" }, or tags = "keep" or "strip"'
        )
    return mode or ("convert" if ids else "strip")


def split_tags(
    text: str,
    prefix: Sequence[str] | None,
    tags: Sequence[int] | None,
    mode: TagMode,
    ids: Mapping[str, int],
) -> list[Piece]:
    """Return a document as texts and control ids.

    Args:
        text: the text.
        prefix: tags and texts, alternating, that stood before the text.
        tags: bytes of `text` at which confirmed tags start.
        mode: `keep`: tags are text; `strip`: no prefix, and a line end in place of each tag inside
            the text; `convert`: tags of the vocabulary are ids, the others are text.
        ids: of `tag_ids`.
    """
    if mode == "keep":
        return ["".join(prefix or ()) + text]
    pieces: list[Piece] = []
    if mode == "convert":
        pieces += [ids.get(part, part) for part in prefix or ()]
    data, start = text.encode(), 0
    for place in tags or ():
        name = NAME.match(data[place : place + 32].decode(errors="replace"))
        assert name is not None, f"no tag at byte {place}"
        pieces += [data[start:place].decode(), ids.get(name[0], name[0])]
        if mode == "strip":
            pieces[-1] = "\n" if place else ""
        start = place + len(name[0])
    return _joined([*pieces, data[start:].decode()])


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Return pieces with adjacent texts joined, so that their tokens may merge."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    return joined or [""]


class Pieces(NamedTuple):
    """The documents of a batch, cut at the tags that become ids.

    Attributes:
        rows: the documents, with the columns DOCUMENTS.
        texts: Arrow strings [m], the texts of all pieces.
        pieces: the pieces of each document; None if every document is one text.
    """

    rows: pa.Table
    texts: Any
    pieces: Sequence[Sequence[Piece]] | None = None

    def hashes(self, of_texts: list[bytes]) -> list[bytes]:
        """Return the hash of the text of each document, given those of the pieces' texts."""
        if self.pieces is None:
            return of_texts
        hashes = document_ids.text_hashes(self.rows["text"].combine_chunks())
        return [*hashes.to_pylist()]

    def tokens(self, encoded: Sequence[Tokens]) -> Iterator[Tokens]:
        """Yield the ids of each document, uint32 [n], given those of the pieces' texts."""
        if self.pieces is None:
            yield from encoded
            return
        texts = iter(encoded)
        for pieces in self.pieces:
            parts: list[Any] = [
                next(texts) if isinstance(piece, str) else np.array([piece], np.uint32)
                for piece in pieces
            ]
            yield np.concatenate(parts)


def cut_at_tags(
    batch: pa.Table, mode: TagMode | None, ids: Mapping[str, int], counts: Counter[str]
) -> Pieces:
    """Cut the documents of a batch at the tags that become ids.

    Args:
        batch: with the columns DOCUMENTS.
        mode: of `resolve_mode`; None for a source without tags.
        ids: of `tag_ids`.
        counts: gets the numbers of tags: `confirmed` by columns, and those that are `text`.
    """
    texts = batch["text"].combine_chunks()
    if mode is None:
        return Pieces(batch, texts)
    prefixes, places = batch["prefix"].to_pylist(), batch["tags"].to_pylist()
    inside = sum(map(len, filter(None, places)))
    written = pc.sum(pc.count_substring_regex(texts, TAG.pattern)).as_py() or 0
    counts["confirmed"] += inside + sum(len(prefix) // 2 for prefix in prefixes if prefix)
    counts["text"] += written - inside
    if not any(prefixes) and not inside:
        return Pieces(batch, texts)
    rows = zip(texts.to_pylist(), prefixes, places, strict=True)
    pieces = [split_tags(*row, mode, ids) for row in rows]
    flat = [piece for document in pieces for piece in document if isinstance(piece, str)]
    return Pieces(batch, pa.array(flat, pa.large_string()), pieces)
