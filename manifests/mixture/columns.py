"""What all documents of a component have in common: the columns that a mixture can choose by.

A component is named `source/slug`; where its source has `partition_by`, the values of those columns
follow, as slugs: `ours/python--mit`. No other slug holds two hyphens together.
"""

from manifests.components import table
from manifests.lineage.manifest import Manifest

SEPARATOR = "--"

SOURCES = "sources"
"""The key of a tokenize manifest's `extra`: source -> its kind, and its partition_by."""


def columns_of(name: str, manifest: Manifest) -> dict[str, str]:
    """Return column -> value of a component: source, kind, component, and those it is cut by.

    Args:
        name: `source/slug`.
        manifest: of a dataset that holds it. One that does not say of which kind a source is
            (an older one) is taken to name its sources by their kinds.
    """
    source, _, slug = name.partition("/")
    about = manifest.extra.get(SOURCES, {}).get(source, {})
    component, *values = slug.split(SEPARATOR)
    partitions = zip(about.get("partition_by", []), values, strict=False)
    return {"source": source, "kind": about.get("kind", source), "component": component} | dict(
        partitions
    )


def pile_epochs(columns: dict[str, str]) -> float:
    """Return how often the Pile takes a set (Gao et al. 2020, Table 1); 1 for all else.

    Its rows as shipped repeat documents so often already: the epochs are for deduplicated tokens.
    """
    if columns["kind"] != "the-pile":
        return 1.0
    return table().pile_epochs.get(columns["component"], 1.0)
