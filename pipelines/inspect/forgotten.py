"""Forgotten documents of a chain: how many, which ones, and by which entries of tombstones.

A compacted dataset no longer holds the documents that its parent forgot, but documents/ still does.
Hence the tombstones of every tokenized dataset of a chain count.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.console import formatting
from manifests.dataset.shard_index import (
    document_bounds,
    read_documents,
    read_shard_table,
    shard_entries,
)
from manifests.dataset.tombstones import Tombstones
from manifests.lineage.chain import Chain, Link


def forgotten_totals(chain: Chain) -> dict[str, Any]:
    """Return what the last dataset of a chain forgets, for JSON.

    Returns:
        `tombstones` (their names), `documents` and `tokens`, and the latter two by component,
        including documents that are held out.
    """
    names: list[str] = []
    total = {"documents": 0, "tokens": 0}
    components: dict[str, dict[str, int]] = {}
    if link := chain.link("tokenize"):
        tombstones = Tombstones(link.directory, link.manifest)
        names += tombstones.names
        for name, heldout in tombstones.components:
            counts = tombstones.forgotten(name, heldout)
            for sums in (total, components.setdefault(name, dict.fromkeys(total, 0))):
                sums["documents"] += counts.documents
                sums["tokens"] += counts.tokens
    return {"tombstones": names, **total, "components": components}


def forgotten_sentence(chain: Chain) -> str | None:
    """Return what the last dataset of a chain forgets, in words; None for nothing."""
    totals = forgotten_totals(chain)
    if not totals["documents"]:
        return None
    return (
        f"{formatting.plural(totals['documents'], 'document')} and "
        f"{formatting.plural(totals['tokens'], 'token')}, by "
        f"{formatting.plural(len(totals['tombstones']), 'tombstone')}; the shards still hold them"
    )


def forgotten_ids(chain: Chain) -> frozenset[bytes]:
    """Return the ids of the documents that any tokenized dataset of a chain forgets.

    Raises:
        DataError: a tombstone or a table beside a shard is damaged.
    """
    links = (link for link in chain.links if link.manifest.step == "tokenize")
    return frozenset(id for link in links for id in _forgotten_in(link))


def _forgotten_in(link: Link) -> Iterator[bytes]:
    """Yield the ids of the forgotten documents of a dataset."""
    tombstones = Tombstones(link.directory, link.manifest)
    if not tombstones:
        return
    for shard in shard_entries(read_shard_table(link.directory, link.manifest)):
        addresses = tombstones.documents(*shard.component)[:, 0]
        first = shard.first_address
        if np.diff(addresses.searchsorted([first, first + shard.row.addresses]))[0]:
            documents = read_documents(link.directory, shard.row, ["id", "tokens"])
            mask = np.isin(document_bounds(shard, documents)[:-1], addresses)
            yield from documents["id"].filter(pa.array(mask)).to_pylist()


def reasons(chain: Chain, number: int, row: int) -> list[str]:
    """Return the entries of tombstones by which a document is forgotten; none if it is not.

    Args:
        chain: ends with tokenize.
        number: number of the shard in shards.parquet.
        row: row of the table beside the shard.
    """
    link = chain.link("tokenize")
    tombstones = Tombstones(link.directory, link.manifest) if link else None
    if not link or not tombstones:
        return []
    shard = shard_entries(read_shard_table(link.directory, link.manifest))[number]
    address = document_bounds(shard, read_documents(link.directory, shard.row, ["tokens"]))[row]
    return tombstones.reasons(*shard.component, int(address))
