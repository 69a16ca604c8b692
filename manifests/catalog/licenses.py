"""Licenses as catalogs name them: SPDX ids out of expressions, their pages, the Hub's names."""

import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files as package_files
from typing import Any

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
OPERATORS = {"AND", "OR", "WITH"}

SUFFIXES = ("-only", "-or-later")
"""What SPDX adds to the names of the GNU licenses, and the Hub does not."""


@lru_cache(maxsize=1)
def hub() -> dict[str, Any]:
    """Return manifests/tables/hub.toml: what the Hub calls licenses, and which sets are English."""
    text = package_files("manifests.catalog").joinpath("tables/hub.toml").read_text("utf-8")
    return tomllib.loads(text)


def identifiers(expressions: Iterable[str]) -> list[str]:
    """Return the SPDX ids that expressions are made of, sorted, each once; exceptions left out."""
    found = set()
    for expression in expressions:
        words = ID.findall(expression)
        for before, word in zip(["", *words], words, strict=False):
            if word not in OPERATORS and before != "WITH":
                found.add(word)
    return sorted(found)


def url(identifier: str) -> str:
    """Return the page of an SPDX id."""
    return f"https://spdx.org/licenses/{identifier}.html"


def hub_names(expressions: Iterable[str]) -> list[str]:
    """Return what a Hub card says under `license`: the Hub's own names, sorted, `other` last."""
    names = {_hub_name(identifier) for identifier in identifiers(expressions)}
    return [*sorted(names - {"other"}), *(["other"] if "other" in names or not names else [])]


def _hub_name(identifier: str) -> str:
    name = identifier.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name if name in hub()["licenses"] else "other"
