"""StarCoderData: `LANG/*.parquet`, five columns, no licenses, a prefix in half of the texts."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.sources.rows import UNKNOWN, ColumnContents, star_count
from pipelines.sources.starcoder_prefix import parse_prefix
from pipelines.sources.the_stack import CodeByDirectory

OTHER_SUBSETS = ("github-issues", "git-commits", "jupyter")
"""Directories with other columns (the data set's card): issues, commits and notebooks."""


class StarCoderData(CodeByDirectory):
    """Layout of StarCoderData's code.

    Documents without a license are accepted by default: the data set has no license column and
    holds only permissive files (its card). It was published redacted.
    """

    missing = "accept"
    column_contents: ClassVar[ColumnContents] = {
        "max_stars_repo_path": "name",
        "max_stars_repo_name": "name",
        "max_stars_count": "number",
        "content": "text",
    }

    def refusal(self, path: str) -> str | None:
        """Return why a file is not read: it belongs to a subset with other columns."""
        directory = path.rpartition("/")[0].rpartition("/")[2]
        if directory.startswith(OTHER_SUBSETS):
            return f"the subset {directory} has other columns than StarCoderData's code"
        return None

    def fields(
        self, columns: Mapping[str, list[Any]], texts: pa.Array, path: str
    ) -> Mapping[str, Any]:
        """Return the fields; the prefix of a text fills missing metadata and is cut off."""
        names, paths = columns["max_stars_repo_name"], columns["max_stars_repo_path"]
        contents = texts.to_pylist()
        rows = zip(contents, names, paths, strict=True)
        parsed = [parse_prefix(content or "", name, path) for content, name, path in rows]
        known = [own or prefix.repository for own, prefix in zip(names, parsed, strict=True)]
        component = self.component_of_input(path) or UNKNOWN
        return {
            "component": [component] * len(names),
            "repositories": [[name] if name else [] for name in known],
            "path": [own or prefix.path or "" for own, prefix in zip(paths, parsed, strict=True)],
            "stars": [star_count(stars) for stars in columns["max_stars_count"]],
            "text": [text and prefix.text for text, prefix in zip(contents, parsed, strict=True)],
        }
