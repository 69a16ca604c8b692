"""What is forgotten, as those who look into a chain are told: how much, whose, and by which entry.

A compacted dataset no longer holds what the one before it forgot, but documents/ still does: so the
tombstones of every tokenized dataset of a chain count.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.console import formatting
from manifests.dataset.dataset import read_shard_table
from manifests.dataset.shard_index import ShardPlace, bounds, read_documents, shard_places
from manifests.dataset.tombstones import Tombstones
from manifests.lineage.chain import Chain, Link


def summary(chain: Chain) -> dict[str, Any]:
    """Return what is forgotten of the last dataset of a chain, for JSON.

    Returns:
        `tombstones` (their names), `documents` and `tokens`, and the latter two by component, those
        for validation among them.
    """
    link = chain.link("tokenize")
    if link is None:
        return {"tombstones": [], "documents": 0, "tokens": 0, "components": {}}
    stones = Tombstones(link.directory, link.manifest)
    components: dict[str, dict[str, int]] = {}
    for name, heldout in stones.components:
        found = stones.forgotten(name, heldout)
        each = components.setdefault(name, {"documents": 0, "tokens": 0})
        each["documents"] += found.documents
        each["tokens"] += found.tokens
    return {
        "tombstones": list(stones.names),
        "documents": sum(each["documents"] for each in components.values()),
        "tokens": sum(each["tokens"] for each in components.values()),
        "components": components,
    }


def sentence(chain: Chain) -> str | None:
    """Return the summary in words; None where nothing is forgotten."""
    told = summary(chain)
    if not told["documents"]:
        return None
    return (
        f"{formatting.plural(told['documents'], 'document')} and "
        f"{formatting.plural(told['tokens'], 'token')}, by "
        f"{formatting.plural(len(told['tombstones']), 'tombstone')}; they still lie in the shards"
    )


def forgotten_ids(chain: Chain) -> frozenset[bytes]:
    """Return the ids of the documents that any tokenized dataset of a chain forgets.

    Raises:
        DataError: a tombstone or a table beside a shard is not what it must be.
    """
    found: set[bytes] = set()
    for link in chain.links:
        if link.manifest.step == "tokenize":
            for documents, mask in _touched(link):
                found.update(documents["id"].filter(pa.array(mask)).to_pylist())
    return frozenset(found)


def _touched(link: Link) -> Iterator[tuple[pa.Table, npt.NDArray[np.bool_]]]:
    """Yield the tables of the shards that are touched, and which of their rows are forgotten."""
    stones = Tombstones(link.directory, link.manifest)
    if not stones:
        return
    for place in shard_places(read_shard_table(link.directory, link.manifest)):
        gone = stones.documents(*place.component)[:, 0]
        first = place.first_address
        if np.diff(gone.searchsorted([first, first + place.addresses]))[0]:
            documents = read_documents(link.directory, place, ["id", "tokens"])
            yield documents, np.isin(bounds(place, documents)[:-1], gone)


def reasons(chain: Chain, number: int, row: int) -> list[str]:
    """Return by which entries a document is forgotten; none: it is not.

    Args:
        chain: one that ends with tokenize.
        number: of its shard in shards.parquet.
        row: of the table beside the shard.
    """
    link = chain.link("tokenize")
    if link is None:
        return []
    stones = Tombstones(link.directory, link.manifest)
    if not stones:
        return []
    place: ShardPlace = shard_places(read_shard_table(link.directory, link.manifest))[number]
    address = bounds(place, read_documents(link.directory, place, ["tokens"]))[row]
    return stones.reasons(*place.component, int(address))
