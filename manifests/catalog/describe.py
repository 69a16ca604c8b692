"""README.md and croissant.json of a finished dataset, for catalogs."""

from collections.abc import Mapping

from manifests.catalog.croissant import FILE as CROISSANT
from manifests.catalog.croissant import croissant
from manifests.catalog.hub_card import FILE as CARD
from manifests.catalog.hub_card import card_text
from manifests.dataset.shard_index import read_shard_table
from manifests.io import files
from manifests.io.digest import canonical_json
from manifests.lineage.manifest import Manifest
from manifests.verify.cleanup import strays


def describe(
    directory: str, manifest: Manifest, licenses: Mapping[str, int], overwrite: bool
) -> None:
    """Write README.md and croissant.json of a tokenized dataset; equal datasets give equal bytes.

    Shards are named by patterns, or one by one if a pattern would match files that do not belong to
    the dataset: output of another config, or shards from which documents were removed since.

    Args:
        directory: of the dataset.
        manifest: of the dataset.
        licenses: license -> documents; an empty name where no license is known.
        overwrite: whether to replace existing files, which people may have edited.
    """
    rows = read_shard_table(directory, manifest).select(["shard", "component"]).to_pylist()
    shards = [(row["shard"], row["component"]) for row in rows]
    license_counts = dict(sorted(licenses.items()))
    other_files = strays(directory, manifest)
    paths = [path for path, _ in shards] if other_files else None
    contents = {
        CARD: card_text(manifest, license_counts, shards, other_files).encode(),
        CROISSANT: canonical_json(croissant(manifest, license_counts, paths)) + b"\n",
    }
    for name, content in contents.items():
        url = files.join(directory, name)
        if overwrite or not files.exists(url):
            files.write_bytes(url, content)
