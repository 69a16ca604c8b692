"""Rows: the schema that every kind of source is read into, and conversions of columns to it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

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
        pa.field("fault", pa.string()),  # why there is no text: null_text, bad_json ...
        pa.field("text", pa.large_string()),  # null where there is a fault
        pa.field("prefix", pa.list_(pa.string())),  # as in manifests.schemas.DOCUMENTS
        pa.field("tags", pa.list_(pa.int64())),  # likewise
    ]
)

ColumnContent = Literal["text", "name", "number", "names", "count"]
"""Content of a column: texts of documents; one string a row, such as a path; numbers; strings in
any form that `string_list` takes; or lists of which only the length is read."""

ColumnContents = Mapping[str, ColumnContent]
"""Column -> its content."""

_TYPES: Mapping[ColumnContent, Sequence[Callable[[Any], bool]]] = {
    "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "name": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "number": (pa.types.is_integer, pa.types.is_floating),
    "count": (pa.types.is_list, pa.types.is_large_list),
}
_BYTES = (pa.types.is_binary, pa.types.is_large_binary)


UNKNOWN = "unknown"
"""Component of a row without one."""

DEFAULTS: Mapping[str, Any] = {
    "component": UNKNOWN,
    "repositories": [],
    "path": "",
    "licenses": None,
    "stars": None,
    "prefix": None,
    "tags": None,
}
"""Fields of ROWS that a layout may leave out, and their values."""

MAX_NESTING = 4
"""Maximum number of lists and structs around a string: BigQuery's form has three."""


def can_hold(kind: Any, content: ColumnContent) -> bool:
    """Return whether a Parquet column of an Arrow type can have a content."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    accepted = [*_TYPES.get(content, ()), *(_BYTES if content == "text" else ()), pa.types.is_null]
    return content == "names" or any(is_type(kind) for is_type in accepted)


def component_slug(name: Any) -> str:
    """Return the slug of a component's name; UNKNOWN for other values and names without a slug."""
    try:
        return slug(name) if name and isinstance(name, str) else UNKNOWN
    except DataError:
        return UNKNOWN


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
    """Return whether UTF-8 can encode a string: JSON may hold lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_column(column: pa.ChunkedArray) -> tuple[pa.Array, list[str | None]]:
    """Return a Parquet column as large_string, and the fault of each row or None.

    Arrow does not check the UTF-8 of Parquet's strings, so this function does.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    binary = one_array(column.cast(pa.large_binary()))
    try:
        texts = binary.cast(pa.large_string())
    except pa.ArrowInvalid:
        texts = pa.array([_decoded(value) for value in binary.to_pylist()], pa.large_string())
    missing = pc.if_else(binary.is_null(), "null_text", "invalid_utf8")
    faults = pc.if_else(texts.is_null(), missing, pa.scalar(None, pa.string()))
    return texts, faults.to_pylist()


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; `combine_chunks` would copy a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def values(column: pa.ChunkedArray, content: ColumnContent = "name") -> list[Any]:
    """Return the values of a Parquet column of metadata; U+FFFD replaces invalid UTF-8."""
    if content == "count" and not pa.types.is_null(column.type):
        column = pc.list_value_length(column)
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_repaired(value) for value in column.cast(_binary(column.type)).to_pylist()]


def _binary(kind: Any) -> Any:
    """Return an Arrow type with bytes in place of its strings."""
    if pa.types.is_dictionary(kind):
        return _binary(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_binary(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind[i].name, _binary(kind[i].type)) for i in range(kind.num_fields)])
    return pa.large_binary() if can_hold(kind, "name") else kind


def _repaired(value: Any) -> Any:
    """Return a value with its bytes decoded, at any depth."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_repaired(item) for item in value]
    if isinstance(value, dict):
        return {name: _repaired(item) for name, item in value.items()}
    return value


def string_list(value: Any, nesting: int = MAX_NESTING) -> list[str | None] | None:
    """Return licenses or repositories as a list; None if the value is no list of any form.

    Args:
        value: a string, a list, BigQuery's `{"list": [{"item": ...}]}`, or lists of these. Items
            that are not strings become None.
        nesting: maximum number of lists and structs around a string.
    """
    if isinstance(value, str):
        return [unicode(value)]
    if not nesting:
        return None
    if isinstance(value, dict):
        inner = (value[name] for name in ("list", "item", "element") if name in value)
        return string_list(next(inner, None), nesting - 1)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [string for item in value for string in string_list(item, nesting - 1) or [None]]
    return None


def repository_names(value: Any) -> list[str]:
    """Return the repositories in a value that `string_list` takes; no nulls."""
    return [name for name in string_list(value) or [] if name]


def unicode(text: str) -> str:
    """Return a string that UTF-8 can encode: lone surrogates become U+FFFD."""
    if _is_unicode(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def star_count(value: Any) -> int | None:
    """Return stars as an integer; None for other values, such as NaN in pandas' copies."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if known and 0 <= value < 1 << 63 else None
