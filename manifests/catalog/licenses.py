"""Licenses for catalogs: the SPDX ids of an expression, their pages, and the Hub's names."""

import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files as package_files
from typing import Any

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
WITHOUT_PAGE = re.compile(r"NOASSERTION|NONE|LicenseRef-.*")
"""Ids of expressions that SPDX's list of licenses does not have."""

OPERATORS = {"AND", "OR", "WITH"}

SUFFIXES = ("-only", "-or-later")
"""Suffixes of SPDX ids that the Hub's names do not have."""


@lru_cache(maxsize=1)
def hub() -> dict[str, Any]:
    """Return tables/hub.toml: the Hub's names of licenses, and the components in English."""
    text = package_files("manifests.catalog").joinpath("tables/hub.toml").read_text("utf-8")
    return tomllib.loads(text)


def identifiers(expressions: Iterable[str]) -> list[str]:
    """Return the SPDX ids in `expressions` without the exceptions, sorted and unique."""
    names = set()
    for expression in expressions:
        words = ID.findall(expression)
        for before, word in zip(["", *words], words, strict=False):
            if word not in OPERATORS and before != "WITH":
                names.add(word)
    return sorted(names)


def pages(expressions: Iterable[str]) -> list[str]:
    """Return the URLs of the licenses in `expressions` that SPDX's list has, sorted."""
    names = (name for name in identifiers(expressions) if not WITHOUT_PAGE.fullmatch(name))
    return [f"https://spdx.org/licenses/{name}.html" for name in names]


def hub_names(expressions: Iterable[str]) -> list[str]:
    """Return the Hub's names of the licenses in `expressions`, sorted, with `other` last."""
    names = {_hub_name(identifier) for identifier in identifiers(expressions)}
    return [*sorted(names - {"other"}), *(["other"] if "other" in names or not names else [])]


def _hub_name(identifier: str) -> str:
    name = identifier.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name if name in hub()["licenses"] else "other"
