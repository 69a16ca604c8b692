"""The Stack v1.1 and v1.2: 29 columns, `data/LANG/*.parquet`, three repositories a row."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from manifests.components import slug
from pipelines.sources.rows import (
    ROWS,
    Holds,
    component_slug,
    star_count,
    string_list,
    text_column,
    values,
)

GROUPS = ("stars", "issues", "forks")

COLUMNS: Mapping[str, Holds] = {
    "lang": "name",
    "content": "text",
    "max_stars_repo_path": "name",
    "max_stars_count": "number",
    **{f"max_{group}_repo_name": "name" for group in GROUPS},
    **{f"max_{group}_repo_licenses": "names" for group in GROUPS},
}


def component_of_input(path: str) -> str | None:
    """Return the slug that a file's directory names: `data/c-sharp/train-....parquet`."""
    directory = path.rpartition("/")[0].rpartition("/")[2]
    return slug(directory) if directory and directory != "data" else None


def refusal(path: str) -> str | None:
    """Return why a file is passed over; The Stack has no such files."""
    return None


def rows(table: pa.Table, first_row: int, path: str) -> pa.Table:
    """Return a batch of The Stack as ROWS; every repository of a row counts, without repeats."""
    texts, faults = text_column(table["content"])
    columns = {name: values(table[name]) for name in COLUMNS if name != "content"}
    count = table.num_rows
    names = [columns[f"max_{group}_repo_name"] for group in GROUPS]
    licenses = [columns[f"max_{group}_repo_licenses"] for group in GROUPS]
    return pa.table(
        {
            "input_row": range(first_row, first_row + count),
            "component": [component_slug(language) for language in columns["lang"]],
            "repositories": [_distinct(row) for row in zip(*names, strict=True)],
            "path": [path or "" for path in columns["max_stars_repo_path"]],
            "licenses": [_together(row) for row in zip(*licenses, strict=True)],
            "stars": [star_count(stars) for stars in columns["max_stars_count"]],
            "fault": faults,
            "text": texts,
        },
        schema=ROWS,
    )


def _distinct(names: tuple[str | None, ...]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _together(lists: tuple[Any, ...]) -> list[str | None] | None:
    """The licenses of all repositories of a row, in order, without repeats; None when all are."""
    # The three are often one repository; comparing is faster than reading them all.
    others = [value for number, value in enumerate(lists) if value not in lists[:number]]
    known = [string_list(value) for value in others]
    if all(value is None for value in known):
        return None
    return list(dict.fromkeys(item for value in known if value is not None for item in value))
