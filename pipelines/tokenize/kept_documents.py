"""The documents that stay: documents/ without what duplicates/ lists, a row group at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.io import files
from manifests.io.parquet import ParquetReader, open_parquet, read_table


@dataclass(frozen=True)
class Surviving:
    """What a finished dedup leaves, by the parts of documents/, in their order.

    Attributes:
        documents: URL of documents/.
        duplicates: URL of duplicates/.
        parts: name and source of each part.
        kept: for each part, what is left of it: dicts of component, heldout, documents, bytes.
        identity: for each part, what changes when its documents or its duplicates do.
        bytes: of all text that is left.
    """

    documents: str
    duplicates: str
    parts: list[dict[str, Any]]
    kept: list[list[dict[str, Any]]]
    identity: list[list[str]]
    bytes: int

    def tables(
        self, name: str, component: str | None = None, heldout: bool | None = None
    ) -> Iterator[pa.Table]:
        """Yield what is left of a part by its name; see `surviving`."""
        documents = files.join(self.documents, f"{name}.parquet")
        duplicates = files.join(self.duplicates, f"{name}.parquet")
        return surviving(documents, duplicates, component, heldout)


def surviving(
    documents: str, duplicates: str, component: str | None = None, heldout: bool | None = None
) -> Iterator[pa.Table]:
    """Yield tables of the schema DOCUMENTS.

    Args:
        documents: URL of documents/PART.parquet.
        duplicates: URL of duplicates/PART.parquet.
        component: only this one, by `source/slug`; its row groups hold nothing else.
        heldout: only documents that are, or are not, set aside for validation.
    """
    gone = read_table(duplicates, ["row"])["row"].to_numpy()
    with open_parquet(documents) as file:
        first = 0
        for group in range(file.row_groups):
            count = file.metadata.row_group(group).num_rows
            rows = np.arange(first, first + count)
            first += count
            if component is None or _component_of(file, group) == component:
                kept = file.read_row_group(group).filter(pa.array(~np.isin(rows, gone)))
                if heldout is not None:
                    kept = kept.filter(pc.equal(kept["heldout"], heldout))
                if kept.num_rows:
                    yield kept


def _component_of(file: ParquetReader, group: int) -> str:
    column = file.read_row_group(group, columns=["component"])["component"]
    return str(column[0].as_py())
