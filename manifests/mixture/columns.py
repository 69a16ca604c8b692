"""Columns of a component: the values that all its documents share, by which a mixture selects.

A component is named `source/slug`. Where its source has `partition_by`, the values of those columns
follow as slugs: `ours/python--mit`. No other slug has two adjacent hyphens.
"""

from collections.abc import Iterable, Mapping

from manifests.components import table
from manifests.lineage.manifest import Manifest, load_manifest

SEPARATOR = "--"

Columns = Mapping[str, dict[str, str]]
"""Component -> its columns."""

SOURCES = "sources"
"""Key of `extra` in a tokenize manifest: source -> its kind and its partition_by."""


def columns_of(name: str, manifest: Manifest) -> dict[str, str]:
    """Return column -> value of a component: source, kind, component, and the partition columns.

    Args:
        name: `source/slug`.
        manifest: of a dataset that has the component. The default kind of a source is its name.
    """
    source, _, slug = name.partition("/")
    about = manifest.extra.get(SOURCES, {}).get(source, {})
    component, *values = slug.split(SEPARATOR)
    columns = {"source": source, "kind": about.get("kind", source), "component": component}
    return columns | dict(zip(about.get("partition_by", []), values, strict=False))


def columns_of_datasets(directories: Iterable[str]) -> Columns:
    """Return the columns of every component of the datasets, sorted by the component's name."""
    manifests = [load_manifest(directory) for directory in directories]
    pairs = {name: columns_of(name, m) for m in manifests for name in m.components}
    return dict(sorted(pairs.items()))


def pile_epochs(columns: dict[str, str]) -> float:
    """Return the epochs of a component of the Pile (Gao et al. 2020, Table 1); otherwise 1.

    The published Pile repeats documents this often; the epochs are for deduplicated components.
    """
    if columns["kind"] != "the-pile":
        return 1.0
    return table().pile_epochs.get(columns["component"], 1.0)
