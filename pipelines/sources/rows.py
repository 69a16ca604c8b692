"""Rows: what every kind of source is read into, and the faults that a row can have."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from manifests.components import slug
from manifests.errors import DataError

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


Holds = Literal["text", "name", "number", "names"]
"""What a column holds: a document's text; one string a row, such as a path; a number; or strings in
any form (`string_list`)."""

_TYPES: Mapping[Holds, Sequence[Callable[[Any], bool]]] = {
    "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "name": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "number": (pa.types.is_integer, pa.types.is_floating),
}
_BYTES = (pa.types.is_binary, pa.types.is_large_binary)


def can_hold(kind: Any, holds: Holds) -> bool:
    """Tell whether a Parquet column of an Arrow type can be what a layout says that it holds."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    accepted = [*_TYPES.get(holds, ()), *(_BYTES if holds == "text" else ()), pa.types.is_null]
    return holds == "names" or any(is_type(kind) for is_type in accepted)


UNKNOWN = "unknown"


def component_slug(name: str | None) -> str:
    """Return the slug of a row's component; UNKNOWN where it has none, or none can be made."""
    try:
        return slug(name) if name else UNKNOWN
    except DataError:
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
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
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


def values(column: pa.ChunkedArray) -> list[Any]:
    """Return a Parquet column of anything but texts; bytes that are no UTF-8 read as U+FFFD."""
    try:
        found: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = [_mended(value) for value in column.cast(_binary(column.type)).to_pylist()]
    return found


def _binary(kind: Any) -> Any:
    """Return an Arrow type with bytes in place of its strings."""
    if pa.types.is_dictionary(kind):
        return _binary(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_binary(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind[i].name, _binary(kind[i].type)) for i in range(kind.num_fields)])
    return pa.large_binary() if can_hold(kind, "name") else kind


def _mended(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {name: _mended(item) for name, item in value.items()}
    return value


NESTED = 4
"""Lists and structs around a string, at most: BigQuery's form has three."""


def string_list(value: Any, nested: int = NESTED) -> list[str | None] | None:
    """Return licenses or repositories as a list; None where the value holds no list of any form.

    It may be a string, a list, BigQuery's `{"list": [{"item": ...}]}`, or lists in lists; what is
    no string in it is null.
    """
    if isinstance(value, str):
        return [unicode(value)]
    if not nested:
        return None
    if isinstance(value, dict):
        inside = (value[name] for name in ("list", "item", "element") if name in value)
        return string_list(next(inside, None), nested - 1)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        found: list[str | None] = []
        for item in value:
            found += string_list(item, nested - 1) or [None]
        return found
    return None


def unicode(text: str) -> str:
    """Return a string that UTF-8 can say: JSON may hold lone surrogates, which become U+FFFD."""
    return (
        text
        if _is_unicode(text)
        else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def star_count(value: Any) -> int | None:
    """Return stars as a whole number; None for what is none, such as the NaN of pandas' copies."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if known and 0 <= value < 1 << 63 else None
