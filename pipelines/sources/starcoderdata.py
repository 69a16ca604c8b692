"""StarCoderData: `LANG/*.parquet`, five columns, no licenses, a prefix in half the rows."""

from collections.abc import Mapping

import pyarrow as pa

from manifests.components import slug
from pipelines.sources.rows import ROWS, UNKNOWN, Holds, star_count, text_column, values
from pipelines.sources.starcoder_prefix import parse_prefix

COLUMNS: Mapping[str, Holds] = {
    "max_stars_repo_path": "name",
    "max_stars_repo_name": "name",
    "max_stars_count": "number",
    "content": "text",
}

OTHER_SUBSETS = ("github-issues", "git-commits", "jupyter")
"""Directories with other columns (the data set's card): issues, commits and notebooks."""


def component_of_input(path: str) -> str | None:
    """Return the slug that a file's directory names: `python/train-00000-of-00059.parquet`."""
    directory = path.rpartition("/")[0].rpartition("/")[2]
    return slug(directory) if directory else None


def refusal(path: str) -> str | None:
    """Return why a file is passed over: it belongs to a subset with other columns."""
    directory = path.rpartition("/")[0].rpartition("/")[2]
    if directory.startswith(OTHER_SUBSETS):
        return f"the subset {directory} has other columns than StarCoderData's code"
    return None


def rows(table: pa.Table, first_row: int, path: str) -> pa.Table:
    """Return a batch of StarCoderData as ROWS; the prefix becomes metadata and leaves the text."""
    texts, faults = text_column(table["content"])
    names = values(table["max_stars_repo_name"])
    paths = values(table["max_stars_repo_path"])
    parsed = [
        None if text is None else parse_prefix(text, name, path)
        for text, name, path in zip(texts.to_pylist(), names, paths, strict=True)
    ]
    stars = values(table["max_stars_count"])
    count = table.num_rows
    component = component_of_input(path) or UNKNOWN
    return pa.table(
        {
            "input_row": range(first_row, first_row + count),
            "component": [component] * count,
            "repositories": [
                [name] if (name := own or (prefix and prefix.repository)) else []
                for own, prefix in zip(names, parsed, strict=True)
            ],
            "path": [
                own or (prefix and prefix.path) or ""
                for own, prefix in zip(paths, parsed, strict=True)
            ],
            "licenses": [None] * count,
            "stars": [star_count(value) for value in stars],
            "fault": faults,
            "text": [prefix.text if prefix is not None else None for prefix in parsed],
        },
        schema=ROWS,
    )
