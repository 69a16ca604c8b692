"""parts.parquet: the parts of documents/, numbered, as license_filter and dedup list them."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from manifests.io import files
from manifests.io.parquet import open_parquet, read_table
from manifests.lineage.receipts import Record
from manifests.schemas import UInt32, schema_of

PARTS_TABLE = "parts.parquet"

PREVIOUS_PARTS_TABLE = "previous_parts.parquet"
"""Beside dedup's parts: the parts of previous corpora that its duplicates may be copies of."""


class PartRow(Record):
    """What every table of parts says of a part."""

    part: UInt32 = Field(ge=0)
    """The upper 32 bits of the addresses of its documents; the lower ones are the row."""
    name: str
    source: str
    documents: int = Field(ge=0)


class FilteredPart(Record):
    """A row of license_filter/parts.parquet: it has the fields of `PartRow` in another order."""

    part: UInt32 = Field(ge=0)
    name: str
    source: str
    input: str
    """Path of the input below the source's root."""
    components: list[str]
    documents: int = Field(ge=0)
    bytes: int = Field(ge=0)
    """Text of its documents, as UTF-8."""
    sha256: str
    """Of documents/NAME.parquet."""


class DedupPart(PartRow):
    """A row of dedup/parts.parquet."""

    sha256: str
    """Of documents/NAME.parquet."""
    signature: str
    """Name of the file with its signatures."""


class PreviousPart(PartRow):
    """A row of dedup/previous_parts.parquet."""

    signature: str
    """Name of the file with its signatures."""
    corpus: UInt32 = Field(ge=0)
    """Index of its corpus in `[dedup] previous_corpora`."""


PARTS = schema_of(FilteredPart)
DEDUP_PARTS = schema_of(DedupPart)
PREVIOUS_PARTS = schema_of(PreviousPart)

Row = TypeVar("Row", FilteredPart, DedupPart)


def read_parts(directory: str, row: type[Row]) -> list[Row]:
    """Return the rows of a step's parts.parquet, each as a `row`; DataError if it is missing."""
    table = read_table(files.join(directory, PARTS_TABLE))
    return [row.model_validate(values) for values in table.to_pylist()]


def read_previous_parts(directory: str) -> list[PreviousPart]:
    """Return the rows of a dedup's previous_parts.parquet; none without previous corpora."""
    url = files.join(directory, PREVIOUS_PARTS_TABLE)
    rows = read_table(url).to_pylist() if files.exists(url) else []
    return [PreviousPart.model_validate(values) for values in rows]


def duplicates_url(directory: str, name: str) -> str:
    """Return the URL of the duplicates of a part, below the directory of dedup."""
    return files.join(directory, "duplicates", f"{name}.parquet")


def read_kept(
    documents: str,
    duplicates: str | None,
    columns: Sequence[str] | None = None,
    component: str | None = None,
) -> Iterator[pa.Table]:
    """Yield the documents of a part that dedup keeps, a row group at a time.

    Args:
        documents: URL of documents/PART.parquet.
        duplicates: URL of duplicates/PART.parquet; None for all documents.
        columns: columns to read; all by default.
        component: yield only documents of this component, `source/slug`.
    """
    rows = read_table(duplicates, ["row"])["row"].to_numpy() if duplicates else np.empty(0)
    first = 0
    with open_parquet(documents) as file:
        for group in range(file.row_groups):
            numbers = first + np.arange(file.metadata.row_group(group).num_rows)
            first += len(numbers)
            # All documents of a row group are of one component.
            name = component and file.read_row_group(group, ["component"])["component"][0].as_py()
            if name == component:
                kept = pa.array(~np.isin(numbers, rows))
                yield file.read_row_group(group, columns).filter(kept)
