"""Whether a directory may take a mixture that is written out: nothing else may lie there."""

import json
from typing import Any

import pyarrow as pa

from manifests.errors import UsageError
from manifests.io import files
from manifests.lineage.manifest import FILE as MANIFEST
from manifests.lineage.receipts import DIRECTORY
from manifests.verify.parts import read_table

PARTS = {"shards", DIRECTORY}
"""Where a job writes; what lies there must be of this mixture."""


def check_place(out: str, told: str, identity: str, table: str, rows: pa.Table) -> None:
    """See that a directory holds nothing but what this mixture has written, whole or in part.

    Args:
        out: the directory.
        told: name of the file that says what a mixture became, written last.
        identity: digest of all that decides what is written, as in that file.
        table: name of the table of parts, which is written before the first of them.
        rows: that table of this mixture; its parts are named after the identity.

    Raises:
        UsageError: it holds a dataset, another mixture, or parts of one that was stopped.
    """
    names = set(files.list_names(out))
    if MANIFEST in names:
        raise UsageError(f"{out}: holds a dataset; name another directory")
    if told in names and _read(files.join(out, told)).get("digest") != identity:
        raise UsageError(f"{out}: holds another mixture; name another directory")
    if table in names and not read_table(files.join(out, table)).equals(rows):
        raise UsageError(
            f"{out}: holds parts of another mixture, or of this one before something was "
            "forgotten; name another directory"
        )
    if table not in names and PARTS & names:
        raise UsageError(f"{out}: holds what another job has written; name another directory")


def _read(url: str) -> dict[str, Any]:
    try:
        found = json.loads(files.read_bytes(url))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
