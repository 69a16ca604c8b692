"""The subsets of StarCoderData: their columns, and the fields of their rows.

The columns of a file say to which subset it belongs. Not all names of columns are published, so a
field is read from the first of several columns that a file has, and `missing_fields` names the
fields that no column gives.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.sources.rows import (
    ColumnContent,
    repository_names,
    star_count,
    string_list,
    unicode,
)
from pipelines.sources.starcoder_tags import (
    byte_places,
    commit_tags,
    issue_tags,
    notebook_tags,
    split_prefix,
)

TEXT = "content"

FIELDS: Mapping[str, tuple[tuple[str, ...], ColumnContent]] = {
    "repository": (("max_stars_repo_name", "repo_name", "repo", "repos"), "names"),
    "path": (("max_stars_repo_path", "path", "new_file"), "name"),
    "license": (("max_stars_repo_licenses", "licenses", "license"), "names"),
    "stars": (("max_stars_count",), "number"),
    "owner": (("org",), "name"),
    "old_path": (("old_file",), "name"),
    "commit": (("commit",), "name"),
    "events": (("events",), "count"),
    "cells": (("chain_length",), "number"),
}
"""Field -> the columns that may hold it, the first one that a file has being read, and what they
hold (bigcode-dataset preprocessing/; the columns of jupyter-scripts are not published)."""


@dataclass(frozen=True)
class Subset:
    """A subset of StarCoderData.

    Attributes:
        name: its name in messages.
        marks: fields whose columns only this subset has.
        fields: fields that a file should have.
        is_code: whether its texts are files of code. The filters of code, and the veto by the
            license that a text itself names, act on no other subset.
    """

    name: str
    marks: tuple[str, ...]
    fields: tuple[str, ...]
    is_code: bool = False


COMMITS = Subset("git commits", ("old_path",), ("repository", "path", "old_path", "commit"))
ISSUES = Subset("GitHub issues", ("events",), ("repository", "events"))
NOTEBOOKS = Subset("structured notebooks", ("cells",), ("repository", "path", "license", "cells"))
CODE = Subset("code and scripts", (), ("repository", "path", "stars"), is_code=True)
SUBSETS = (COMMITS, ISSUES, NOTEBOOKS, CODE)

DIRECTORIES = {
    "git-commits": COMMITS,
    "github-issues": ISSUES,
    "jupyter-structured": NOTEBOOKS,
}
"""Start of a component -> its subset; all other components are code."""


def subset_of_component(component: str) -> Subset:
    """Return the subset of a component, by the name of its directory."""
    return next((s for name, s in DIRECTORIES.items() if component.startswith(name)), CODE)


def subset_of_columns(names: Collection[str]) -> Subset:
    """Return the subset of a file, by its columns."""
    known = columns_of_fields(names)
    return next(s for s in SUBSETS if all(mark in known for mark in s.marks))


def columns_of_fields(names: Collection[str]) -> dict[str, str]:
    """Return field -> the column that holds it, for the columns of a file."""
    known: dict[str, str] = {}
    for field, (columns, _) in FIELDS.items():
        if (column := next((name for name in columns if name in names), None)) is not None:
            known[field] = column
    return known


def missing_fields(component: str, names: Collection[str]) -> list[str]:
    """Return the fields that the files of a component's subset should have and this one lacks."""
    known = columns_of_fields(names)
    return [field for field in subset_of_component(component).fields if field not in known]


def subset_rows(
    subset: Subset, columns: Mapping[str, Sequence[Any]], texts: Sequence[str | None]
) -> dict[str, list[Any]]:
    """Return the fields of ROWS of n rows, except the component.

    Args:
        subset: the subset of the file.
        columns: column -> n values.
        texts: n texts; None where a row has a fault.
    """
    known = {field: columns[column] for field, column in columns_of_fields(columns).items()}
    rows = [
        _row(subset, {field: values[row] for field, values in known.items()}, text)
        for row, text in enumerate(texts)
    ]
    names = ("repositories", "path", "licenses", "stars", "prefix", "tags", "text")
    return {name: [row[name] for row in rows] for name in names}


def _row(subset: Subset, fields: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """Return the fields of one row."""
    repositories = _repositories(subset, fields)
    stars, path = star_count(fields.get("stars")), fields.get("path") or fields.get("old_path")
    row = {
        "repositories": repositories,
        "path": unicode(path) if isinstance(path, str) else "",
        "licenses": string_list(fields.get("license")),
        "stars": stars,
        "prefix": None,
        "tags": None,
        "text": text,
    }
    if text is None:
        return row
    if subset is CODE:
        name = repositories[0] if repositories else None
        own_path = path if isinstance(path, str) else None
        parts, rest = split_prefix(text, name, own_path, stars)
        return row | {"prefix": parts or None, "text": rest}
    places: list[int] = []
    if subset is COMMITS and fields.get("commit"):
        places = commit_tags(text)
    elif subset is ISSUES:
        places = issue_tags(text, fields.get("events"))
    elif subset is NOTEBOOKS:
        places = notebook_tags(text, fields.get("cells"))
    return row | {"tags": byte_places(text, places)}


def _repositories(subset: Subset, fields: Mapping[str, Any]) -> list[str]:
    """Return the repositories of a row: OWNER/NAME, of which a commit has several."""
    names = repository_names(fields.get("repository"))
    if subset is COMMITS:
        names = [name.strip() for joined in names for name in joined.split(",") if name.strip()]
    elif subset is ISSUES and fields.get("owner"):
        names = [name if "/" in name else f"{fields['owner']}/{name}" for name in names]
    elif subset is NOTEBOOKS:
        # The published column holds the path.
        names = [name for name in names if name != fields.get("path")]
    return names
