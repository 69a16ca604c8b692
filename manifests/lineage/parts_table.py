"""parts.parquet: the parts of documents/, numbered, as license_filter and dedup list them."""

from typing import TypeVar

from pydantic import Field

from manifests.io import files
from manifests.io.parquet import read_table
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
    """A row of license_filter/parts.parquet; the first fields are those of `PartRow`."""

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
