"""What describes a finished dataset to catalogs, beside its manifest: a card, and Croissant."""

from collections.abc import Mapping

from manifests.catalog.croissant import FILE as CROISSANT
from manifests.catalog.croissant import croissant
from manifests.catalog.hub_card import FILE as CARD
from manifests.catalog.hub_card import card
from manifests.dataset.dataset import read_shard_table
from manifests.io import files
from manifests.io.digest import canonical_json
from manifests.lineage.manifest import Manifest
from manifests.verify.cleanup import strays


def describe(directory: str, manifest: Manifest, licenses: Mapping[str, int], again: bool) -> None:
    """Write README.md and croissant.json of a tokenized dataset: equal datasets, equal bytes.

    Shards are named by patterns, unless files lie there that a pattern would take for shards: what
    another config made, or what was forgotten since.

    Args:
        directory: of the dataset.
        manifest: its own.
        licenses: license (an empty name where none is known) -> documents.
        again: whether files that are there are written anew; people add to a card.
    """
    rows = read_shard_table(directory, manifest).select(["shard", "component"]).to_pylist()
    shards = [(row["shard"], row["component"]) for row in rows]
    counted = dict(sorted(licenses.items()))
    left = strays(directory, manifest)
    paths = [path for path, _ in shards] if left else None
    contents = {
        CARD: card(manifest, counted, shards, left).encode(),
        CROISSANT: canonical_json(croissant(manifest, counted, paths)) + b"\n",
    }
    for name, content in contents.items():
        url = files.join(directory, name)
        if again or not files.exists(url):
            files.write_bytes(url, content)
