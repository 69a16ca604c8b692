"""Tables of parts: Parquet files with one row for each piece of work of a job."""

from typing import Any

import pyarrow.parquet as pq

from manifests.io import files


def read_rows(url: str) -> list[dict[str, Any]]:
    """Return a Parquet table of parts as dicts."""
    with files.open_input(url) as source:
        rows: list[dict[str, Any]] = pq.read_table(source).to_pylist()
    return rows
