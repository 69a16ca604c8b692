"""People's own `parquet` and `jsonl` files, with a map of their columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipelines.corpus.corpus import Columns, Source
from pipelines.sources.partition import LICENSE, with_values
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


def row(record: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return a JSON record as the fields of a row."""
    text, fault = clean_text(record.get((source.columns or Columns()).text))
    return {**_metadata(record, source), "text": text, "fault": fault}


def rows(table: pa.Table, first_row: int, source: Source) -> pa.Table:
    """Return a batch of a Parquet file as ROWS."""
    text = (source.columns or Columns()).text
    texts, faults = text_column(table[text])
    others = {name: values(table[name]) for name in table.column_names if name != text}
    metadata = [
        _metadata({name: others[name][row] for name in others}, source)
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


def wanted(columns: Columns, partition_by: Sequence[str] = ()) -> dict[str, Holds]:
    """Return the columns of a map, and those that components are cut by -> what each holds."""
    cut: dict[str, Holds] = {name: "names" for name in partition_by if name != LICENSE}
    named = columns.model_dump().items()
    return cut | {name: HOLDS.get(field, "name") for field, name in named if name}


def _metadata(record: dict[str, Any], source: Source) -> dict[str, Any]:
    columns = source.columns or Columns()

    def get(name: str | None) -> Any:
        return record.get(name) if name else None

    named = get(columns.component)
    component = component_slug(
        named if isinstance(named, str) else source.component or DEFAULT_COMPONENT
    )
    return {
        "component": with_values(component, source.partition_by, record),
        "repositories": [name for name in string_list(get(columns.repo)) or [] if name],
        "path": unicode(str(get(columns.path) or "")),
        "licenses": string_list(get(columns.license)),
        "stars": star_count(get(columns.stars)),
    }
