"""The licenses of the Pile's sets, from tables/pile-sets.toml."""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from filters.licenses.policy import Finding

FILE = Path(__file__).parent / "tables" / "pile-sets.toml"


class PileSet(NamedTuple):
    """A set of the Pile.

    Attributes:
        license: SPDX expression; None if the license is not clear.
        reason: why the license is clear or not.
    """

    license: str | None
    reason: str


@lru_cache(maxsize=1)
def pile_sets() -> Mapping[str, PileSet]:
    """Return the sets by slug."""
    table = tomllib.loads(FILE.read_text())["sets"]
    return {slug: PileSet(entry.get("license"), entry["reason"]) for slug, entry in table.items()}


@lru_cache(maxsize=1)
def sets_digest() -> str:
    """Return the SHA-256 of the table."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


def set_finding(slug: str) -> Finding:
    """Return the finding of a document by its set.

    A clear license allows by any policy: policies list licenses of source code, which do not
    include CC-BY-SA or the public domain. A set that is not clear or not known is "unknown".
    """
    known = pile_sets().get(slug)
    if known is None or known.license is None:
        return Finding("source", "unknown")
    return Finding("source", "allow", known.license)
