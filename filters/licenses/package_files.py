"""Licenses that package files state: the manifests of npm, Composer, Cargo and Python.

A package file can say OR, which a list of licenses cannot. The choice that it states replaces the
licenses of the list between which it chooses, and nothing else of the list.
"""

import configparser
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from filters.licenses.spdx import alternatives, parse, reference, written
from filters.licenses.upstream import stated_licenses


def stated_license(path: str, text: str) -> str | None:
    """Return the license that a package file states, as an SPDX expression.

    Args:
        path: path of the file; its last part says which package file it is.
        text: content of the file.

    Returns:
        None for a file of another name, for a file that cannot be read, and for one without a
        license. Text that is not an SPDX expression becomes a LicenseRef.
    """
    read = READERS.get(_file_name(path))
    try:
        stated = read(text) if read else None
    except (ValueError, RecursionError, configparser.Error):
        return None
    return _canonical(stated) if isinstance(stated, str) and stated.strip() else None


def is_package_file(path: str | None) -> bool:
    """Return whether a path is that of a package file."""
    return _file_name(path or "") in READERS


def is_choice(license: str) -> bool:
    """Return whether an expression is a choice between single licenses."""
    return bool(alternatives(parse(license)))


def with_choices(
    licenses: Sequence[str], root: Iterable[str], below: Iterable[str]
) -> Sequence[str]:
    """Return a list of licenses with the choices that package files state.

    A choice applies if the list has all its licenses. The version suffixes -only and -or-later are
    not compared, because the text of a license does not say which of them holds. Where a choice
    applies, the other statements are added to the list.

    Args:
        licenses: the licenses of a repository, all of which hold.
        root: what package files in the root of the repository state.
        below: what package files in its other directories state.
    """
    listed, root = set(map(_name, licenses)), list(root)
    choices = [set(map(_name, alternatives(parse(license)))) for license in root]
    replaced = {name for names in choices if names <= listed for name in names}
    if not replaced:
        return licenses
    kept = (license for license in licenses if _name(license) not in replaced)
    return list(dict.fromkeys([*kept, *root, *below]))


@lru_cache(maxsize=1 << 16)
def _canonical(license: str) -> str:
    """Return an expression in canonical ids, or other text as a LicenseRef."""
    tree = parse(license.strip())
    return reference(license) if tree is None else written(tree)


def _name(license: str) -> str:
    """Return the name by which a license of a list and one of a choice are compared."""
    return _canonical(license).removesuffix("-only").removesuffix("-or-later")


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _npm(text: str) -> Any:
    package = json.loads(text)
    return stated_licenses(_value(package, "license") or _value(package, "licenses"))


def _composer(text: str) -> Any:
    """Return `license` of composer.json, in which a list is a choice (Composer's schema)."""
    stated = _value(json.loads(text), "license")
    return " OR ".join(map(str, stated)) if isinstance(stated, list) else stated


def _cargo(text: str) -> Any:
    return _value(tomllib.loads(text), "package", "license")


def _pyproject(text: str) -> Any:
    tables = tomllib.loads(text)
    project = _value(tables, "project", "license")
    return _value(project, "text") or project or _value(tables, "tool", "poetry", "license")


def _setup(text: str) -> Any:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser.get("metadata", "license", fallback=None)


def _value(table: Any, *keys: str) -> Any:
    """Return the value at a path of keys; None if a table on the way is none."""
    for key in keys:
        table = table.get(key) if isinstance(table, Mapping) else None
    return table


READERS: Mapping[str, Callable[[str], Any]] = {
    "package.json": _npm,
    "composer.json": _composer,
    "Cargo.toml": _cargo,
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup,
}
"""Name of a package file -> function that returns the value of its license field."""
