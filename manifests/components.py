"""Component names: one versioned table maps every data set's spelling to slugs of [a-z0-9-]."""

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files as package_files

from manifests.errors import DataError, UsageError

OTHER = re.compile("[^a-z0-9]+")
SLUG = re.compile("[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Table:
    """manifests/tables/components.toml.

    Attributes:
        version: raised with every change of the file.
        digest: SHA-256 of the file.
        exceptions: lower-case name -> slug, where the rule does not serve.
        pile_epochs: slug of a Pile component -> the epochs at which the Pile takes it.
        languages: the slugs of The Stack's languages.
    """

    version: int
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
        version=parsed["version"],
        digest=hashlib.sha256(data).hexdigest(),
        exceptions=parsed["exceptions"],
        pile_epochs={_by_rule(name): epochs for name, epochs in parsed["pile"].items()},
        languages=frozenset(parsed["the-stack"]["languages"]),
    )


def _by_rule(name: str) -> str:
    return OTHER.sub("-", name.lower()).strip("-")


@lru_cache(maxsize=4096)
def slug(name: str) -> str:
    """Return the slug of a component's name: "C++" -> "cpp", "Wikipedia (en)" -> "wikipedia-en".

    A slug is its own slug.

    Raises:
        DataError: nothing of the name is a letter of a to z or a digit.
    """
    found = table().exceptions.get(name.strip().lower()) or _by_rule(name)
    if not found:
        raise DataError(f"component {name!r}: has no letter of a to z and no digit to be named by")
    return found


def component_name(source: str, name: str) -> str:
    """Return `source/slug`, a component's full name."""
    return f"{source}/{slug(name)}"


def check_slugs(wanted: Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """Return the slugs of the names in a config's list, each of which must be known.

    Args:
        wanted: names in any spelling.
        known: slugs, such as `table().languages`.
        what: the file and the field, for the message.

    Raises:
        UsageError: names that are not known, each with the nearest one that is.
    """
    known = sorted(known)
    faults = []
    slugs = []
    for name in wanted:
        slugs.append(slug(name))
        if slugs[-1] not in known:
            near = difflib.get_close_matches(slugs[-1], known, n=1)
            faults.append(f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    if faults:
        raise UsageError(f"{what}: unknown components: {', '.join(faults)}")
    return slugs
