"""The versions of the SPDX license list, and the ids that each version has."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).parent / "tables" / "spdx-versions.toml"


@lru_cache(maxsize=1)
def _added() -> Mapping[str, list[str]]:
    """Return version -> the ids that the version added, oldest version first."""
    return tomllib.loads(FILE.read_text())


def newest() -> str:
    """Return the newest version of the table."""
    return list(_added())[-1]


def check_version(version: str) -> str:
    """Return a version of the table; raise ValueError for any other text."""
    if version not in _added():
        known = ", ".join(_added())
        raise ValueError(f"there is no SPDX list version {version!r}; known are {known}")
    return version


@lru_cache(maxsize=16)
def ids_until(version: str) -> frozenset[str]:
    """Return the ids of licenses and exceptions that a version of the list has."""
    versions = list(_added())
    until = versions[: versions.index(version) + 1]
    return frozenset(id_ for name in until for id_ in _added()[name])
