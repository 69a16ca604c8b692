"""The documents that dedup keeps: documents/ without the rows that duplicates/ lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.io import files
from manifests.io.parquet import ParquetReader, open_parquet, read_table


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
        name = f"{part}.parquet"
        removed = read_table(files.join(self.duplicates, name), ["row"])["row"].to_numpy()
        with open_parquet(files.join(self.documents, name)) as file:
            first = 0
            for group in range(file.row_groups):
                count = file.metadata.row_group(group).num_rows
                rows = np.arange(first, first + count)
                first += count
                if component is not None and _component(file, group) != component:
                    continue
                table = file.read_row_group(group).filter(pa.array(~np.isin(rows, removed)))
                if heldout is not None:
                    table = table.filter(pc.equal(table["heldout"], heldout))
                if table.num_rows:
                    yield table


@dataclass(frozen=True)
class KeptDocuments:
    """The documents that a finished dedup keeps."""

    tables: KeptTables
    parts: list[KeptPart]
    """The parts in the order of license_filter/parts.parquet."""
    bytes: int
    """Bytes of the texts of all kept documents."""


def _component(file: ParquetReader, group: int) -> Any:
    """Return the component of a row group; all its documents are of one component."""
    return file.read_row_group(group, ["component"])["component"][0].as_py()
