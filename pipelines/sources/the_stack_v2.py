"""The Stack v2, file level, with a `content` column (its own files have none)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.sources.rows import ColumnContents, component_slug, star_count, string_list
from pipelines.sources.the_stack import CodeByDirectory

NO_LICENSE = "no_license"
"""The `license_type` of a file that has no license file and no license on GitHub."""

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
"""Notices that ScanCode finds in license files and that do not change the license
(bigcode-project/the-stack-v2 get_license_types.py)."""

REFERENCE = "LicenseRef-scancode-unknown-license-reference"
"""A reference to a license: ignored if the row names a license, too (the same file)."""


class TheStackV2(CodeByDirectory):
    """Layout of The Stack v2. Personal data is redacted by default, as for The Stack v1."""

    redact = True
    repository_paths: ClassVar[Mapping[str, str]] = {"repo_name": "path"}
    column_contents: ClassVar[ColumnContents] = {
        "content": "text",
        "language": "name",
        "path": "name",
        "repo_name": "name",
        "detected_licenses": "names",
        "license_type": "name",
        "gha_license_id": "name",
        "star_events_count": "number",
    }

    def fields(
        self, columns: Mapping[str, list[Any]], texts: pa.Array, path: str
    ) -> Mapping[str, Any]:
        """Return the fields; `licenses` says how the three license columns are judged."""
        names = ("license_type", "gha_license_id", "detected_licenses")
        license_columns = zip(*(columns[name] for name in names), strict=True)
        return {
            "component": [component_slug(language) for language in columns["language"]],
            "repositories": [[name] if name else [] for name in columns["repo_name"]],
            "path": [path or "" for path in columns["path"]],
            "licenses": [licenses(*row) for row in license_columns],
            "stars": [star_count(stars) for stars in columns["star_events_count"]],
        }


def licenses(license_type: str | None, github: str | None, detected: Any) -> list[str] | None:
    """Return every license of a row: the one that GitHub names, and those of its license files.

    This is stricter than the data set's own `permissive`, which ignores the license files where
    GitHub names a license: a policy that requires all licenses gets all of them.
    """
    if license_type == NO_LICENSE:
        return None
    named = [github, *(string_list(detected) or [])]
    known = [name for name in dict.fromkeys(named) if name and name not in NOTICES]
    specific = [name for name in known if name not in (REFERENCE, "NOASSERTION")]
    return specific or known or None
