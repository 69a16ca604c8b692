"""StarCoderData: `SUBSET/*.parquet`; a language, issues, commits or notebooks a directory."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from filters.quality.batch import Genre
from pipelines.sources.parquet_input import opened
from pipelines.sources.rows import UNKNOWN, ColumnContents
from pipelines.sources.starcoder_subsets import (
    CODE,
    FIELDS,
    columns_of_fields,
    missing_fields,
    subset_of_columns,
    subset_of_component,
    subset_rows,
)
from pipelines.sources.the_stack import CodeByDirectory

COLUMN_CONTENTS: ColumnContents = {
    column: content for columns, content in FIELDS.values() for column in columns
}


class StarCoderData(CodeByDirectory):
    """Layout of StarCoderData: a directory is a component.

    Documents without a license are accepted by default: the data set has no license column and
    holds only permissive files (its card). It was published redacted.
    """

    missing = "accept"
    has_tags = True

    def required_columns(self, schema: pa.Schema) -> ColumnContents:
        """Return the columns that a file has; code has all three columns of its metadata."""
        columns = [*columns_of_fields(schema.names).values()]
        own = [FIELDS[field][0][0] for field in CODE.fields]
        if not set(columns).isdisjoint(own):
            columns += own
        return {column: COLUMN_CONTENTS[column] for column in columns} | {self.text_name(): "text"}

    def genre(self, component: str) -> Genre:
        """Return `code` for files of code, `prose` for issues, commits and notebooks."""
        return "code" if subset_of_component(component).is_code else "prose"

    def has_header(self, component: str) -> bool:
        """Return whether the texts are files of code."""
        return subset_of_component(component).is_code

    def remark(self, url: str, path: str) -> str | None:
        """Name the fields that no column of a file gives, for the subsets that are not code."""
        component = self.component_of_input(path) or UNKNOWN
        if subset_of_component(component) is CODE and not component.startswith("jupyter"):
            return None
        with opened(url) as file:
            lacking = missing_fields(component, file.schema.names)
        return f"{component}: no column gives {', '.join(lacking)}" if lacking else None

    def fields(
        self, columns: Mapping[str, list[Any]], texts: pa.Array, path: str
    ) -> Mapping[str, Any]:
        """Return the fields; the metadata before a text of code is cut off (`prefix`)."""
        component = self.component_of_input(path) or UNKNOWN
        subset = subset_of_columns(columns)
        rows = subset_rows(subset, columns, texts.to_pylist())
        return {"component": [component] * len(texts), **rows}
