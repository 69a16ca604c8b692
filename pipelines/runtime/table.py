"""Tables of parts: Parquet files with one row for each unit of work of a job."""

from typing import Any

from manifests.io.parquet import read_table


def read_rows(url: str) -> list[dict[str, Any]]:
    """Return the rows of a Parquet table of parts."""
    rows: list[dict[str, Any]] = read_table(url).to_pylist()
    return rows


def readable_rows(url: str) -> list[dict[str, Any]]:
    """Return the rows of a table of parts whose `error` is null or absent."""
    return [row for row in read_rows(url) if row.get("error") is None]
