"""Previous corpora: finished dedups that lose nothing, and whose copies are removed here."""

from typing import Any

import pyarrow as pa

from filters.dedup.minhash import Profile
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.parquet import write_table
from manifests.lineage.manifest import load_manifest, manifest_digest
from manifests.lineage.parts_table import (
    PREVIOUS_PARTS,
    PREVIOUS_PARTS_TABLE,
    DedupPart,
    read_parts,
)
from pipelines.corpus.dedup_table import Dedup


def write_previous_parts(directory: str, first: int, config: Dedup, profile: Profile) -> None:
    """Write dedup/previous_parts.parquet, or remove it if there is no previous corpus.

    Args:
        directory: dedup/.
        first: number of the first previous part, above those of this corpus.
        config: the table [dedup] of CORPUS.toml.
        profile: its profile.

    Raises:
        UsageError: a directory holds no finished dedup.
        DataError: a dedup has another profile or scope.
    """
    url = files.join(directory, PREVIOUS_PARTS_TABLE)
    if not config.previous_corpora:
        files.remove(url)
        return
    rows: list[dict[str, Any]] = []
    for corpus, previous in enumerate(config.previous_corpora):
        _check(previous, profile, config.scope)
        for row in read_parts(previous, DedupPart):
            rows.append({**row.model_dump(), "part": first + len(rows), "corpus": corpus})
    write_table(url, pa.Table.from_pylist(rows, schema=PREVIOUS_PARTS))


def previous_digests(previous: list[str]) -> list[str]:
    """Return the SHA-256 of the manifest of each previous dedup."""
    return [manifest_digest(directory) for directory in previous]


def _check(directory: str, profile: Profile, scope: str) -> None:
    """Check that a directory holds a finished dedup with this profile and scope."""
    if not files.exists(files.join(directory, "manifest.json")):
        raise UsageError(f"dedup.previous_corpora: {directory}: holds no finished dedup")
    manifest = load_manifest(directory)
    if manifest.step != "dedup":
        raise UsageError(
            f"dedup.previous_corpora: {directory}: is the output of {manifest.step}, not of dedup"
        )
    if manifest.extra.get("profile_digest") != profile.digest:
        name = manifest.extra.get("profile", {}).get("name")
        raise DataError(
            f"{directory}: has signatures of profile {name!r}, but this corpus has "
            f"{profile.name!r}; run dedup there again with the same profile"
        )
    other = manifest.config["dedup"]["scope"]
    if other != scope:
        raise DataError(f"{directory}: has scope {other!r}, but this corpus has {scope!r}")
