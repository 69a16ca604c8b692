"""Rows: what every kind of source is read into, and the faults that a row can have."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from manifests.components import slug
from manifests.errors import BadData

ROWS = pa.schema(
    [
        pa.field("input_row", pa.int64(), nullable=False),
        pa.field("component", pa.string(), nullable=False),  # slug
        pa.field("repositories", pa.list_(pa.string()), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("licenses", pa.list_(pa.string())),
        pa.field("stars", pa.int64()),
        pa.field("fault", pa.string()),  # null_text | invalid_utf8 | bad_json
        pa.field("text", pa.large_string()),  # null where there is a fault
    ]
)


class BadInput(Exception):
    """A file that cannot be read, in one sentence: it goes to the dead letters, the job goes on."""


UNKNOWN = "unknown"


def component_slug(name: str | None) -> str:
    """Return the slug of a row's component; UNKNOWN where it has none, or none can be made."""
    try:
        return slug(name) if name else UNKNOWN
    except BadData:
        return UNKNOWN


@dataclass
class RowBuilder:
    """Collects rows one by one; `bytes` is the text collected so far."""

    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in ROWS.names})
    bytes: int = 0

    def add(self, text: str | None, fault: str | None, **columns: Any) -> None:
        """Append a row; a text without a fault counts by its UTF-8 length."""
        for name, value in columns.items():
            self.columns[name].append(value)
        self.columns["text"].append(text)
        self.columns["fault"].append(fault)
        self.bytes += 0 if text is None else len(text.encode())

    def table(self) -> pa.Table:
        """Return the rows as a table of the schema ROWS."""
        return pa.table(self.columns, schema=ROWS)


def clean_text(value: Any) -> tuple[str | None, str | None]:
    """Return (text, fault) of a JSON value; a list of strings is joined by blank lines."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "\n\n".join(value)
    if not isinstance(value, str):
        return None, "null_text"
    if not _is_unicode(value):
        return None, "invalid_utf8"
    return value, None


def _is_unicode(text: str) -> bool:
    """JSON may hold lone surrogates, which no UTF-8 can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_column(column: pa.ChunkedArray) -> tuple[pa.Array, list[str | None]]:
    """Return a Parquet column as large_string and the fault of each row.

    Parquet's strings are not checked when they are read, so invalid UTF-8 is looked for here.
    """
    binary = column.cast(pa.large_binary()).combine_chunks()
    try:
        texts = binary.cast(pa.large_string())
    except pa.ArrowInvalid:
        texts = pa.array([_decoded(value) for value in binary.to_pylist()], pa.large_string())
    present = binary.is_valid().to_pylist()
    readable = texts.is_valid().to_pylist()
    faults = [
        None if fine else "invalid_utf8" if there else "null_text"
        for there, fine in zip(present, readable, strict=True)
    ]
    return texts, faults


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def string_list(value: Any) -> list[str | None] | None:
    """Return licenses or repositories as a list: a string, a list, or BigQuery's nested form."""
    if value is None:
        return None
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict) and isinstance(value.get("list"), Sequence):
        items = value["list"]
        return [item.get("item") if isinstance(item, dict) else None for item in items]
    if isinstance(value, Sequence):
        return [item if isinstance(item, str) else None for item in value]
    return None


def star_count(value: Any) -> int | None:
    """Return stars as a whole number; pandas copies of the data sets hold floats and NaN."""
    if value is None or math.isnan(value):
        return None
    return int(value)
