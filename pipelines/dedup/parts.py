"""dedup/parts.parquet: the parts of documents/ and their signatures."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import pyarrow as pa

from filters.dedup.minhash import Profile, load_profile
from filters.dedup.union_find import Indexes
from manifests.io import files
from manifests.io.digest import short_digest
from manifests.io.parquet import read_table, write_table
from manifests.lineage.parts_table import (
    DEDUP_PARTS,
    PARTS_TABLE,
    DedupPart,
    PreviousPart,
    duplicates_url,
    read_parts,
    read_previous_parts,
)
from manifests.schemas import FORMAT
from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.previous_corpora import write_previous_parts

SIGNATURES = "signatures"
"""Folder of the signatures, and name of their step."""


class DocumentsPart(TypedDict):
    """The fields of a row of license_filter/parts.parquet that dedup reads."""

    part: int
    name: str
    source: str
    documents: int
    sha256: str


@dataclass(frozen=True)
class SignedPart:
    """A part and its signatures."""

    part: int
    source: str
    documents: int
    signatures: str
    """URL of the signatures."""
    duplicates: str | None = None
    """URL of the removed documents of a part of a previous corpus; None for a part of this one."""

    @property
    def previous(self) -> bool:
        """Whether the part belongs to a previous corpus, so none of its documents is removed."""
        return self.duplicates is not None

    def removed_rows(self) -> Indexes:
        """Return the rows that dedup removed from a part of a previous corpus: int64, ascending."""
        if self.duplicates is None:
            return np.empty(0, np.int64)
        return np.asarray(read_table(self.duplicates, ["row"])["row"].to_numpy(), np.int64)

    def read(self, columns: list[str]) -> pa.Table:
        """Return columns of the signatures."""
        return read_table(self.signatures, columns)


def signature_name(row: DocumentsPart, profile: Profile, scope: str) -> str:
    """Return the name of a part's signatures: a digest of its documents, profile and scope."""
    return short_digest([SIGNATURES, FORMAT, row["name"], row["sha256"], profile.digest, scope])


def signature_path(name: str) -> str:
    """Return the path of signatures, relative to dedup/."""
    return f"{SIGNATURES}/{name}.parquet"


def write_tables(directory: str, rows: Iterable[DocumentsPart], config: Dedup) -> str:
    """Write dedup/parts.parquet and previous_parts.parquet, and return the URL of the first.

    Args:
        directory: dedup/.
        rows: of license_filter/parts.parquet: all or some of them, in any order.
        config: the table [dedup] of CORPUS.toml.

    Raises:
        UsageError: a previous corpus holds no finished dedup.
        DataError: a previous corpus has another profile or scope.
    """
    profile = load_profile(config.profile)
    ordered = sorted(rows, key=lambda row: row["part"])
    table = [{**row, "signature": signature_name(row, profile, config.scope)} for row in ordered]
    url = files.join(directory, PARTS_TABLE)
    write_table(url, pa.Table.from_pylist(table, schema=DEDUP_PARTS))
    first_previous = ordered[-1]["part"] + 1 if ordered else 0
    write_previous_parts(directory, first_previous, config, profile)
    return url


def read_signed_parts(directory: str, previous: list[str]) -> list[SignedPart]:
    """Return the parts of this corpus and of previous ones, by ascending number.

    Args:
        directory: dedup/.
        previous: the dedup/ directories of previous corpora.
    """
    return [_signed_part(directory, row) for row in read_parts(directory, DedupPart)] + [
        replace(
            _signed_part(previous[row.corpus], row),
            duplicates=duplicates_url(previous[row.corpus], row.name),
        )
        for row in read_previous_parts(directory)
    ]


def _signed_part(directory: str, row: DedupPart | PreviousPart) -> SignedPart:
    """Return the part of a row, whose signatures are in the dedup/ of its corpus."""
    signatures = files.join(directory, signature_path(row.signature))
    return SignedPart(row.part, row.source, row.documents, signatures)
