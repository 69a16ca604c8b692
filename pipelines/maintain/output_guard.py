"""Refuse an output directory that holds something else than the mixture to be materialized."""

import json
from typing import Any

import pyarrow as pa

from manifests.errors import UsageError
from manifests.io import files
from manifests.io.parquet import read_table
from manifests.lineage.manifest import FILE as MANIFEST
from manifests.lineage.receipts import DIRECTORY

PARTS = {"shards", DIRECTORY}
"""Directories of a job. Their files must belong to this mixture."""


def check_output(out: str, summary: str, identity: str, table: str, rows: pa.Table) -> None:
    """Check that a directory holds only files of this mixture, complete or not.

    Args:
        out: the directory.
        summary: name of the file that describes the mixture; it is written last.
        identity: digest of everything that determines the output, as in that file.
        table: name of the table of parts; it is written before the first part.
        rows: the table of this mixture. The names of its parts depend on the identity.

    Raises:
        UsageError: the directory holds a dataset, another mixture, or parts of another mixture.
    """
    names = set(files.list_names(out))
    if MANIFEST in names:
        raise UsageError(f"{out}: holds a dataset; name another directory")
    if summary in names and _read(files.join(out, summary)).get("digest") != identity:
        raise UsageError(f"{out}: holds another mixture; name another directory")
    if table in names and not read_table(files.join(out, table)).equals(rows):
        raise UsageError(
            f"{out}: holds parts of another mixture, or of this one before something was "
            "forgotten; name another directory"
        )
    if table not in names and PARTS & names:
        raise UsageError(f"{out}: holds files of another job; name another directory")


def _read(url: str) -> dict[str, Any]:
    """Return a JSON object; an empty one where the file is not valid."""
    try:
        content = json.loads(files.read_bytes(url))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
