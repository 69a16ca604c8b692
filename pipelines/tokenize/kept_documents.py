"""The documents that dedup keeps: documents/ without the rows that duplicates/ lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from manifests.io import files
from manifests.lineage.parts_table import read_kept


class KeptCount(TypedDict):
    """The kept documents of a part in one component, on one side of the held-out split."""

    component: str
    heldout: bool
    documents: int
    bytes: int


@dataclass(frozen=True)
class KeptPart:
    """A part of documents/ after dedup."""

    name: str
    source: str
    counts: list[KeptCount]
    identity: list[str]
    """SHA-256 of documents/NAME.parquet and of duplicates/NAME.parquet."""


@dataclass(frozen=True)
class KeptTables:
    """Reads the kept documents of parts."""

    documents: str
    """URL of documents/."""
    duplicates: str
    """URL of duplicates/."""

    def read(
        self, part: str, component: str | None = None, heldout: bool | None = None
    ) -> Iterator[pa.Table]:
        """Yield the kept documents of a part, a row group at a time, with the columns DOCUMENTS.

        Args:
            part: name of the part.
            component: yield only documents of this component, `source/slug`.
            heldout: yield only documents that are, or are not, held out for validation.
        """
        documents = files.join(self.documents, f"{part}.parquet")
        duplicates = files.join(self.duplicates, f"{part}.parquet")
        for table in read_kept(documents, duplicates, component=component):
            kept = table if heldout is None else table.filter(pc.equal(table["heldout"], heldout))
            if kept.num_rows:
                yield kept


@dataclass(frozen=True)
class KeptDocuments:
    """The documents that a finished dedup keeps."""

    tables: KeptTables
    parts: list[KeptPart]
    """The parts in the order of license_filter/parts.parquet."""
    bytes: int
    """Bytes of the texts of all kept documents."""
