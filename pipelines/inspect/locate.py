"""The place of a document: from an id, a path or its text to shard, block and token, and back."""

import hashlib
import re

from rich.text import Text

from manifests.console import formatting
from manifests.console.output import unwrapped
from manifests.dataset.dataset import Dataset
from manifests.dataset.shard_index import shard_entries
from manifests.errors import UsageError
from manifests.lineage.chain import Chain
from pipelines.inspect.find import PREFIX, find_id, ids_with_path, ids_with_text, only_id, rows_with
from pipelines.inspect.tables import StoredDocument, document_tables, shard_tables, stored_document

TOKEN = re.compile(r"(?P<shard>[^\s:]+):(?P<block>\d+):(?P<token>\d+)")
"""Address of a token: a shard (its path in shards.parquet, or the end of the path), a block of the
shard, a token of the block."""

LISTED = 8
"""Maximum number of shards that an error lists if the end of a path fits several."""


def locate(chain: Chain, query: str) -> list[StoredDocument]:
    """Return the documents of the shards that a query names.

    Args:
        chain: ends with tokenize.
        query: SHARD:BLOCK:TOKEN; or an id, the first digits of an id, or a path; or else a text.

    Returns:
        The documents. Several documents may have one id.

    Raises:
        UsageError: the chain has no shards, or no document fits.
        DataError: a table beside a shard is missing or does not match its recorded digest.
    """
    if chain.link("tokenize") is None:
        raise UsageError(f"{chain.last.directory}: has no shards: tokenize comes first")
    if token := TOKEN.fullmatch(query):
        return [_document_at(chain, token["shard"], int(token["block"]), int(token["token"]))]
    if PREFIX.fullmatch(query):
        return _with_id(chain, find_id(chain, query))
    if ids := ids_with_path(chain, query):
        return _with_id(chain, only_id(chain, query, ids))
    return locate_text(chain, query)


def locate_text(chain: Chain, text: str) -> list[StoredDocument]:
    """Return the documents of the shards that have a text, as `locate` does.

    A shard records the hash of the text that became its tokens. If that text was redacted,
    documents/ has the text before redaction.
    """
    text_hash = hashlib.blake2b(text.encode(), digest_size=16).digest()
    documents = _stored(chain, "text_hash", text_hash)
    if not documents:
        ids = ids_with_text(document_tables(chain), text)
        documents = [document for id in ids for document in _stored(chain, "id", id)]
    if not documents:
        raise UsageError(
            f"{chain.last.directory}: no document in its shards has this text, id or path (the "
            f"hash of the text would be {text_hash.hex()})"
        )
    return documents


def _with_id(chain: Chain, id: bytes) -> list[StoredDocument]:
    """Return the documents with an id; UsageError without one."""
    documents = _stored(chain, "id", id)
    if not documents:
        raise UsageError(
            f"{chain.last.directory}: {id.hex()} is in none of its shards; `stackpile show` says "
            "why"
        )
    return documents


def _stored(chain: Chain, column: str, value: bytes) -> list[StoredDocument]:
    """Return the documents of the shards with a value in `id` or `text_hash`."""
    return [stored_document(chain, *row) for row in rows_with(shard_tables(chain), column, value)]


def _document_at(chain: Chain, shard: str, block: int, token: int) -> StoredDocument:
    """Return the document that holds a token of a block of a shard."""
    dataset = Dataset.open(chain.last.directory)
    number = _shard_number(dataset, shard)
    place = shard_entries(dataset.shards)[number]
    row = place.row
    if block >= row.blocks:
        raise UsageError(f"{row.shard}: has blocks 0 to {row.blocks - 1}, not {block}")
    component = dataset.component(*place.component)
    first_shard = dataset.shard_range(*place.component).start
    index = len(dataset.block_range(range(first_shard, number))) + block
    length = int(component.reader.table["tokens"][index])
    if token >= length:
        raise UsageError(f"{row.shard}: block {block} has tokens 0 to {length - 1}, not {token}")
    document = component.document_of(index, token)
    component.origin(document)  # checks the digest of the table beside the shard
    return stored_document(chain, shard_tables(chain)[number], document - place.first_document)


def _shard_number(dataset: Dataset, shard: str) -> int:
    """Return the number of the shard that a path, or the end of a path, names."""
    paths = dataset.shards["shard"].to_pylist()
    name = shard.removesuffix(".tar") + ".tar"
    fits = [number for number, path in enumerate(paths) if path == name]
    fits = fits or [number for number, path in enumerate(paths) if name.endswith(f"/{path}")]
    fits = fits or [number for number, path in enumerate(paths) if path.endswith(f"/{name}")]
    if not fits:
        raise UsageError(f"{dataset.directory}: has no shard {shard!r}")
    if len(fits) > 1:
        some = ", ".join(paths[number] for number in fits[:LISTED])
        raise UsageError(f"{shard!r} fits {len(fits)} shards of {dataset.directory}: {some}")
    return fits[0]


def render_locations(documents: list[StoredDocument]) -> Text:
    """Return what `locate` prints."""
    blocks = []
    for document in documents:
        heldout = ", held out for validation" if document.heldout else ""
        lines = [
            f"{document.shard}:{document.block}:{document.start}",
            f"  {formatting.plural(document.tokens, 'token')} from token {document.start} of block "
            f"{document.block}{heldout}",
            f"  component     {document.component}",
            f"  repositories  {', '.join(document.repositories) or 'none known'}",
            f"  path          {document.path or 'none known'}",
            f"  license       {document.license or 'none known'}",
            f"  id            {document.id}",
        ]
        if document.forgotten:
            lines.append(f"  forgotten     {', '.join(document.forgotten)}")
        blocks.append("\n".join(lines))
    return unwrapped("\n\n".join(blocks))
