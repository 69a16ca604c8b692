"""The Stack v1.1 and v1.2: 29 columns, `data/LANG/*.parquet`, three repositories a row."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from filters.quality.batch import Genre
from manifests.components import slug
from pipelines.sources.parquet_input import ParquetLayout
from pipelines.sources.rows import ColumnContents, component_slug, star_count, string_list

GROUPS = ("stars", "issues", "forks")
"""The three repositories of a row: those with the most stars, issues and forks."""

REPOSITORY_LICENSES = {f"max_{group}_repo_name": f"max_{group}_repo_licenses" for group in GROUPS}
"""Column of a repository -> column of its licenses."""


class CodeByDirectory(ParquetLayout):
    """Base of layouts of source code with a directory for each language."""

    def component_of_input(self, path: str) -> str | None:
        """Return the slug of the file's directory: `data/c-sharp/train-00000-of-00009.parquet`."""
        directory = path.rpartition("/")[0].rpartition("/")[2]
        return slug(directory) if directory and directory != "data" else None

    def genre(self, component: str) -> Genre:
        """Return `code`: the documents are files of repositories, whatever their language."""
        return "code"


class TheStack(CodeByDirectory):
    """Layout of The Stack v1.

    Personal data is redacted by default, as BigCode did when it made StarCoderData of The Stack.
    """

    redact = True
    repository_licenses = REPOSITORY_LICENSES
    repository_paths: ClassVar[Mapping[str, str]] = {
        f"max_{group}_repo_name": f"max_{group}_repo_path" for group in GROUPS
    }
    column_contents: ClassVar[ColumnContents] = {
        "lang": "name",
        "content": "text",
        "max_stars_repo_path": "name",
        "max_stars_count": "number",
        **dict.fromkeys(REPOSITORY_LICENSES, "name"),
        **dict.fromkeys(REPOSITORY_LICENSES.values(), "names"),
    }

    def fields(
        self, columns: Mapping[str, list[Any]], texts: pa.Array, path: str
    ) -> Mapping[str, Any]:
        """Return the fields; a row has the repositories and licenses of all three groups."""
        names = [columns[name] for name in REPOSITORY_LICENSES]
        licenses = [columns[name] for name in REPOSITORY_LICENSES.values()]
        return {
            "component": [component_slug(language) for language in columns["lang"]],
            "repositories": [_distinct(row) for row in zip(*names, strict=True)],
            "path": [path or "" for path in columns["max_stars_repo_path"]],
            "licenses": [_merged(row) for row in zip(*licenses, strict=True)],
            "stars": [star_count(stars) for stars in columns["max_stars_count"]],
        }


def _distinct(names: tuple[str | None, ...]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _merged(lists: tuple[Any, ...]) -> list[str | None] | None:
    """Return the licenses of all repositories of a row, in order and distinct; None for none."""
    # The three lists are often equal; comparing them is faster than converting all of them.
    distinct = [value for number, value in enumerate(lists) if value not in lists[:number]]
    known = [string_list(value) for value in distinct]
    if all(value is None for value in known):
        return None
    return list(dict.fromkeys(item for value in known if value is not None for item in value))
