"""The Pile's sets: what is known of the license of each, in tables/pile-sets.toml."""

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
        license: an SPDX expression; None where it is not clear.
        reason: why it is clear, or is not.
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
    """Return what changes when the table does: the SHA-256 of its file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


def set_finding(slug: str) -> Finding:
    """Return what the Pile's layout says of a document's license, by its set.

    A clear license allows, whatever the policy: policies are lists of licenses of source code, and
    CC-BY-SA or the public domain are not on them. A set that is not clear, or not known, is
    "unknown".
    """
    known = pile_sets().get(slug)
    if known is None or known.license is None:
        return Finding("source", "unknown")
    return Finding("source", "allow", known.license)
