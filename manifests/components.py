"""Slugs of component names: a versioned table maps the spelling of every data set to [a-z0-9-]."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files as package_files

from manifests.errors import DataError

OTHER = re.compile("[^a-z0-9]+")
SLUG = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
"""What slugs of components and names of sources look like."""


@dataclass(frozen=True)
class Table:
    """manifests/tables/components.toml.

    Attributes:
        digest: SHA-256 of the file.
        exceptions: lower-case name -> slug, for names that the rule of `slug` does not fit.
        pile_epochs: slug of a component of the Pile -> its epochs in the Pile.
        languages: the slugs of The Stack's languages.
    """

    digest: str
    exceptions: Mapping[str, str]
    pile_epochs: Mapping[str, float]
    languages: frozenset[str]


@lru_cache(maxsize=1)
def table() -> Table:
    """Return the table that ships with the package."""
    data = package_files("manifests").joinpath("tables/components.toml").read_bytes()
    parsed = tomllib.loads(data.decode())
    return Table(
        digest=hashlib.sha256(data).hexdigest(),
        exceptions=parsed["exceptions"],
        pile_epochs={_by_rule(name): epochs for name, epochs in parsed["pile"].items()},
        languages=frozenset(parsed["the-stack"]["languages"]),
    )


def _by_rule(name: str) -> str:
    """Return a name in lower case, with `-` for every run of other characters."""
    return OTHER.sub("-", name.lower()).strip("-")


@lru_cache(maxsize=4096)
def slug(name: str) -> str:
    """Return the slug of a component's name: "C++" -> "cpp", "Wikipedia (en)" -> "wikipedia-en".

    The slug of a slug is the slug itself.

    Raises:
        DataError: the name has no letter from a to z and no digit.
    """
    result = table().exceptions.get(name.strip().lower()) or _by_rule(name)
    if not result:
        raise DataError(f"component {name!r}: the name has no letter from a to z and no digit")
    return result
