"""People's own `parquet` and `jsonl` files, with a map of their columns."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.corpus import Columns
from pipelines.sources.rows import (
    ROWS,
    Holds,
    clean_text,
    component_slug,
    star_count,
    string_list,
    text_column,
    unicode,
    values,
)

DEFAULT_COMPONENT = "documents"


def row(record: dict[str, Any], columns: Columns, component: str | None) -> dict[str, Any]:
    """Return a JSON record as the fields of a row."""
    text, fault = clean_text(record.get(columns.text))
    return {**_metadata(record, columns, component), "text": text, "fault": fault}


def rows(table: pa.Table, first_row: int, columns: Columns, component: str | None) -> pa.Table:
    """Return a batch of a Parquet file as ROWS."""
    texts, faults = text_column(table[columns.text])
    others = {name: values(table[name]) for name in table.column_names if name != columns.text}
    metadata = [
        _metadata({name: others[name][row] for name in others}, columns, component)
        for row in range(table.num_rows)
    ]
    fields = {name: [row[name] for row in metadata] for name in _FIELDS}
    return pa.table(
        {
            "input_row": range(first_row, first_row + table.num_rows),
            **fields,
            "fault": faults,
            "text": texts,
        },
        schema=ROWS,
    )


_FIELDS = ("component", "repositories", "path", "licenses", "stars")


HOLDS: Mapping[str, Holds] = {
    "text": "text",
    "repo": "names",
    "license": "names",
    "stars": "number",
}
"""Field of a map of columns -> what its column holds; of the others, one string a row."""


def wanted(columns: Columns) -> dict[str, Holds]:
    """Return the columns that a map asks for, and what each holds."""
    named = columns.model_dump().items()
    return {name: HOLDS.get(field, "name") for field, name in named if name}


def _metadata(record: dict[str, Any], columns: Columns, component: str | None) -> dict[str, Any]:
    def get(name: str | None) -> Any:
        return record.get(name) if name else None

    named = get(columns.component)
    return {
        "component": component_slug(
            named if isinstance(named, str) else component or DEFAULT_COMPONENT
        ),
        "repositories": [name for name in string_list(get(columns.repo)) or [] if name],
        "path": unicode(str(get(columns.path) or "")),
        "licenses": string_list(get(columns.license)),
        "stars": star_count(get(columns.stars)),
    }
