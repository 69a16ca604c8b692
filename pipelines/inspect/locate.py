"""Where a document lies: from an id, a path or its text to shard, block and token, and back."""

import hashlib
import re

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from manifests.console import formatting
from manifests.console.output import unwrapped
from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.lineage.chain import Chain
from pipelines.inspect.find import (
    PREFIX,
    Row,
    Table,
    document_tables,
    find_id,
    ids_with_path,
    ids_with_text,
    only_id,
    rows_with_id,
    rows_with_text_hash,
    shard_tables,
    stored_row,
    take_row,
)
from pipelines.inspect.forgotten import reasons

PLACE = re.compile(r"(?P<shard>[^\s:]+):(?P<block>\d+):(?P<token>\d+)")
"""SHARD:BLOCK:TOKEN: a path of shards.parquet or the end of one, a block of it, a token of that."""

LISTED = 8
"""Shards that are named when the end of a path fits several."""


def where(chain: Chain, query: str) -> list[Row]:
    """Return the documents that a query names, and where each lies, as plain values for JSON.

    Args:
        chain: one that ends with tokenize.
        query: SHARD:BLOCK:TOKEN; or an id, enough of its beginning, or a path; or else a text.

    Returns:
        For each document: id, text_hash, component, heldout, shard, block, start, tokens,
        repositories, path, license, and by which entries it is `forgotten`. One id may be at
        several places.

    Raises:
        UsageError: the chain has no shards, or nothing fits.
        DataError: a table beside a shard is missing, or is not the one that was written.
    """
    if chain.link("tokenize") is None:
        raise UsageError(f"{chain.last.directory}: has no shards: tokenize comes first")
    if place := PLACE.fullmatch(query):
        return [_at(chain, place["shard"], int(place["block"]), int(place["token"]))]
    if PREFIX.fullmatch(query):
        return _with_id(chain, find_id(chain, query))
    if ids := ids_with_path(chain, query):
        return _with_id(chain, only_id(chain, query, ids))
    return where_text(chain, query)


def where_text(chain: Chain, text: str) -> list[Row]:
    """Return the documents of a text, as `where` does.

    A shard knows the hash of the text that became its tokens; where that was redacted, documents/
    has the text as it came.
    """
    text_hash = hashlib.blake2b(text.encode(), digest_size=16).digest()
    found = [_plain(chain, *each) for each in rows_with_text_hash(shard_tables(chain), text_hash)]
    for id in ids_with_text(document_tables(chain), text) if not found else []:
        found += _stored(chain, id)
    if not found:
        raise UsageError(
            f"{chain.last.directory}: no document in its shards has this text, id or path (the "
            f"hash of the text would be {text_hash.hex()})"
        )
    return found


def _with_id(chain: Chain, id: bytes) -> list[Row]:
    found = _stored(chain, id)
    if not found:
        raise UsageError(
            f"{chain.last.directory}: {id.hex()} is in none of its shards; `stackpile show` says "
            "why"
        )
    return found


def _stored(chain: Chain, id: bytes) -> list[Row]:
    return [_plain(chain, *each) for each in rows_with_id(shard_tables(chain), id)]


def _plain(chain: Chain, table: Table, row: int) -> Row:
    known = {"id": take_row(table, row, ["id"])["id"].hex(), **stored_row(table, row)}
    return known | {"forgotten": reasons(chain, known["number"], row)}


def _at(chain: Chain, shard: str, block: int, token: int) -> Row:
    """Return the document that holds a token of a block of a shard."""
    dataset = Dataset.open(chain.last.directory)
    number = _shard_number(dataset, shard)
    row = dataset.shards.slice(number, 1).to_pylist()[0]
    if block >= row["blocks"]:
        raise UsageError(f"{row['shard']}: has blocks 0 to {row['blocks'] - 1}, not {block}")
    component = dataset.component(row["component"], row["heldout"])
    mine = dataset.shard_range(row["component"], row["heldout"])
    first, start = (
        dataset.block_range(range(each, each + 1)).start for each in (mine.start, number)
    )
    place = start - first + block
    length = int(component.reader.table["tokens"][place])
    if token >= length:
        raise UsageError(f"{row['shard']}: block {block} has tokens 0 to {length - 1}, not {token}")
    document = component.document_of(place, token)
    origin = component.origin(document)
    before = int(np.sum(dataset.shards["documents"][mine.start : number].to_numpy()))
    plain = {name: value for name, value in origin.items() if not isinstance(value, bytes)}
    return {
        "id": origin["id"].hex(),
        **plain,
        "text_hash": origin["text_hash"].hex(),
        "number": number,
        "heldout": row["heldout"],
        "forgotten": reasons(chain, number, document - before),
    }


def _shard_number(dataset: Dataset, shard: str) -> int:
    paths = dataset.shards["shard"].to_pylist()
    name = shard.removesuffix(".tar") + ".tar"
    fits = [number for number, path in enumerate(paths) if path == name]
    fits = fits or [number for number, path in enumerate(paths) if name.endswith(f"/{path}")]
    fits = fits or [number for number, path in enumerate(paths) if path.endswith(f"/{name}")]
    if len(fits) != 1:
        some = ", ".join(paths[number] for number in fits[:LISTED])
        raise UsageError(
            f"{dataset.directory}: has no shard {shard!r}"
            if not fits
            else f"{shard!r} fits {len(fits)} shards of {dataset.directory}: {some}"
        )
    return fits[0]


def render(found: list[Row]) -> RenderableType:
    """Return what `where` prints for people."""
    blocks: list[RenderableType] = []
    for row in found:
        lines = [
            f"{row['shard']}:{row['block']}:{row['start']}",
            f"  {formatting.plural(row['tokens'], 'token')} from token {row['start']} of block "
            f"{row['block']} on{', held out for validation' if row['heldout'] else ''}",
            f"  component     {row['component']}",
            f"  repositories  {', '.join(row['repositories']) or 'none known'}",
            f"  path          {row['path'] or 'none known'}",
            f"  license       {row['license'] or 'none known'}",
            f"  id            {row['id']}",
            *([f"  forgotten     {', '.join(row['forgotten'])}"] if row["forgotten"] else []),
        ]
        blocks += [unwrapped("\n".join(lines)), Text()]
    return Group(*blocks[:-1])
