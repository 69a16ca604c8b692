"""The parts that are clustered: those of this corpus, and those of previous corpora."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.dedup.minhash import Profile
from filters.dedup.union_find import Indexes
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.manifest import load_manifest, manifest_digest
from manifests.verify.parts import PREVIOUS_PARTS_TABLE
from pipelines.dedup.signatures import signature_path
from pipelines.license_filter.job import PARTS_FILE
from pipelines.runtime.table import read_rows

PREVIOUS_PARTS = pa.schema(
    [
        pa.field("part", pa.uint32(), nullable=False),  # after the last of this corpus
        pa.field("name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("signature", pa.string(), nullable=False),
        pa.field("corpus", pa.uint32(), nullable=False),  # its place in `[dedup] previous_corpora`
    ]
)
"""Columns of dedup/previous_parts.parquet."""


@dataclass(frozen=True)
class SignedPart:
    """A part's signatures, and where they lie."""

    part: int
    source: str
    documents: int
    signatures: str
    """A URL."""
    duplicates: str | None
    """Of a previous part: a URL of what was removed from it. None for a part of this corpus."""

    @property
    def previous(self) -> bool:
        """Whether nothing of it may be removed."""
        return self.duplicates is not None

    def gone(self) -> Indexes:
        """Return the rows that are not there any more: int64, ascending."""
        if self.duplicates is None:
            return np.empty(0, np.int64)
        rows = read_table(self.duplicates, ["row"])["row"].to_numpy()
        return np.asarray(rows, np.int64)

    def read(self, columns: list[str]) -> pa.Table:
        """Return columns of the signatures."""
        return read_table(self.signatures, columns)


@dataclass(frozen=True)
class Parts:
    """All parts of a deduplication, by their numbers. It travels to workers, who read the tables.

    Attributes:
        directory: dedup/.
        previous: directories of finished dedups.
    """

    directory: str
    previous: tuple[str, ...] = ()

    def read(self) -> list[SignedPart]:
        """Read the tables; numbers ascend."""
        own = [
            SignedPart(
                part=row["part"],
                source=row["source"],
                documents=row["documents"],
                signatures=files.join(self.directory, signature_path(row["signature"])),
                duplicates=None,
            )
            for row in read_rows(files.join(self.directory, PARTS_FILE))
        ]
        url = files.join(self.directory, PREVIOUS_PARTS_TABLE)
        rows = read_rows(url) if self.previous else []
        return own + [self._previous(row) for row in rows]

    def _previous(self, row: dict[str, Any]) -> SignedPart:
        directory = self.previous[row["corpus"]]
        return SignedPart(
            part=row["part"],
            source=row["source"],
            documents=row["documents"],
            signatures=files.join(directory, signature_path(row["signature"])),
            duplicates=files.join(directory, "duplicates", f"{row['name']}.parquet"),
        )


def write_previous_parts(
    directory: str, previous: tuple[str, ...], profile: Profile, scope: str
) -> None:
    """Write previous_parts.parquet, or remove it where there is no previous corpus.

    Raises:
        UsageError: a directory holds no finished dedup.
        DataError: its signatures were made in another way.
    """
    url = files.join(directory, PREVIOUS_PARTS_TABLE)
    if not previous:
        files.remove(url)
        return
    number = len(read_rows(files.join(directory, PARTS_FILE)))
    rows: list[dict[str, Any]] = []
    for corpus, old in enumerate(previous):
        _check(old, profile, scope)
        for row in read_rows(files.join(old, PARTS_FILE)):
            told = {name: row[name] for name in ("name", "source", "documents", "signature")}
            rows.append({**told, "part": number + len(rows), "corpus": corpus})
    with files.replacing(url) as output:
        pq.write_table(pa.Table.from_pylist(rows, schema=PREVIOUS_PARTS), output)


def previous_digests(previous: tuple[str, ...]) -> list[str]:
    """Return the SHA-256 of each previous dedup's manifest."""
    return [manifest_digest(directory) for directory in previous]


def _check(old: str, profile: Profile, scope: str) -> None:
    if not files.exists(files.join(old, "manifest.json")):
        raise UsageError(f"dedup.previous_corpora: {old}: holds no finished dedup")
    manifest = load_manifest(old)
    if manifest.step != "dedup":
        raise UsageError(
            f"dedup.previous_corpora: {old}: is the output of {manifest.step}, not of dedup"
        )
    made = manifest.extra.get("profile", {}).get("name")
    if manifest.extra.get("profile_digest") != profile.digest:
        raise DataError(
            f"{old}: its signatures are of profile {made!r}, not of this {profile.name!r}; "
            "deduplicate it again with the same one"
        )
    made = manifest.config["dedup"]["scope"]
    if made != scope:
        raise DataError(f"{old}: copies were looked for in scope {made!r}, here it is {scope!r}")
