"""The Stack v2, file level, where a `content` column was filled in (its own files have none)."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.sources.rows import (
    ROWS,
    Holds,
    component_slug,
    star_count,
    string_list,
    text_column,
    values,
)
from pipelines.sources.the_stack import component_of_input, refusal

__all__ = ["COLUMNS", "component_of_input", "refusal", "rows"]

COLUMNS: Mapping[str, Holds] = {
    "content": "text",
    "language": "name",
    "path": "name",
    "repo_name": "name",
    "detected_licenses": "names",
    "license_type": "name",
    "gha_license_id": "name",
    "star_events_count": "number",
}

NO_LICENSE = "no_license"
"""The `license_type` of a file of which neither GitHub nor any license file says anything."""

NOTICES = frozenset(
    f"LicenseRef-scancode-{name}"
    for name in (
        "dco-1.1",
        "generic-cla",
        "google-cla",
        "jetty-ccla-1.1",
        "newton-king-cla",
        "generic-exception",
        "generic-export-compliance",
        "generic-tos",
        "generic-trademark",
        "warranty-disclaimer",
    )
)
"""What ScanCode finds in license files beside licenses, without an effect on them
(bigcode-project/the-stack-v2 get_license_types.py)."""

REFERENCE = "LicenseRef-scancode-unknown-license-reference"
"""A file that points at a license: it says nothing where that one is known (the same file)."""


def rows(table: pa.Table, first_row: int, path: str) -> pa.Table:
    """Return a batch of The Stack v2 as ROWS."""
    texts, faults = text_column(table["content"])
    columns = {name: values(table[name]) for name in COLUMNS if name != "content"}
    count = table.num_rows
    said = zip(
        *(columns[name] for name in ("license_type", "gha_license_id", "detected_licenses")),
        strict=True,
    )
    return pa.table(
        {
            "input_row": range(first_row, first_row + count),
            "component": [component_slug(language) for language in columns["language"]],
            "repositories": [[name] if name else [] for name in columns["repo_name"]],
            "path": [path or "" for path in columns["path"]],
            "licenses": [licenses(*row) for row in said],
            "stars": [star_count(stars) for stars in columns["star_events_count"]],
            "fault": faults,
            "text": texts,
        },
        schema=ROWS,
    )


def licenses(license_type: str | None, github: str | None, detected: Any) -> list[str] | None:
    """Return every license that a row names: GitHub's, and those of its license files.

    Stricter than the data set's own `permissive`, which leaves the files aside where GitHub knows
    a license: a policy that asks for all hears all of them.
    """
    if license_type == NO_LICENSE:
        return None
    named = [github, *(string_list(detected) or [])]
    known = [name for name in dict.fromkeys(named) if name and name not in NOTICES]
    without = [name for name in known if name not in (REFERENCE, "NOASSERTION")]
    return without or known or None
