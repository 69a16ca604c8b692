"""People's own `parquet` and `jsonl` files, with a map of their columns."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from filters.licenses.upstream import stated_licenses
from filters.quality.extensions import language_of
from pipelines.sources.jsonl_input import JsonLinesLayout
from pipelines.sources.layout import SourceLayout
from pipelines.sources.parquet_input import ParquetLayout
from pipelines.sources.partition import LICENSE, with_values
from pipelines.sources.rows import (
    ColumnContent,
    ColumnContents,
    component_slug,
    repository_names,
    star_count,
    string_list,
    unicode,
)

DEFAULT_COMPONENT = "documents"

FIELD_CONTENTS: ColumnContents = {
    "text": "text",
    "repo": "names",
    "license": "names",
    "stars": "number",
}
"""Field of a map of columns -> content of its column; columns of other fields hold a name."""


class OwnLayout(SourceLayout):
    """What the layouts of a user's own files share.

    Filters that no publication names are off by default, and a file is not rejected for the name
    that the user gives to its language.
    """

    maps_columns = True
    all_filters = False
    version = 3

    def language(self, component: str, path: str) -> str:
        """Return the component, or the language that has the file's extension."""
        return language_of(component, path)


class OwnJsonLines(OwnLayout, JsonLinesLayout):
    """Layout of kind `jsonl`."""

    def required_key(self) -> str:
        """Return the key of the text."""
        return self.columns.text

    def row(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a row."""
        return {**_metadata(self, record), "text": record.get(self.columns.text)}


class OwnParquet(OwnLayout, ParquetLayout):
    """Layout of kind `parquet`."""

    def text_name(self) -> str:
        """Return the column of the texts."""
        return self.columns.text

    def required_columns(self, schema: pa.Schema) -> ColumnContents:
        """Return the columns of the map and those of `partition_by`."""
        cut: dict[str, ColumnContent] = {
            name: "names" for name in self.partition_by if name != LICENSE
        }
        fields = self.columns.model_dump().items()
        return cut | {name: FIELD_CONTENTS.get(field, "name") for field, name in fields if name}

    def fields(
        self, columns: Mapping[str, list[Any]], texts: pa.Array, path: str
    ) -> Mapping[str, Any]:
        """Return the fields of a batch."""
        records = ({name: columns[name][row] for name in columns} for row in range(len(texts)))
        rows = [_metadata(self, record) for record in records]
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _metadata(layout: SourceLayout, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row, except its text, by the layout's map of columns."""
    columns = layout.columns

    def get(name: str | None) -> Any:
        return record.get(name) if name else None

    name = get(columns.component)
    if not isinstance(name, str):
        name = layout.component or DEFAULT_COMPONENT
    return {
        "component": with_values(component_slug(name), layout.partition_by, record),
        "repositories": repository_names(get(columns.repo)),
        "path": unicode(str(get(columns.path) or "")),
        "licenses": string_list(stated_licenses(get(columns.license))),
        "stars": star_count(get(columns.stars)),
    }
