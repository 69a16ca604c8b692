"""The sets of published data sets, and which of them a corpus or a mixture lacks."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

from manifests.components import slug
from manifests.console import formatting
from manifests.mixture.columns import SEPARATOR

FILE = Path(__file__).parent / "tables" / "published-sets.toml"


class MissingSets(TypedDict):
    """The sets of a data set that are missing."""

    of: str
    """The data set, as a title."""
    sets: list[str]
    """The missing sets, the largest share first."""
    known: int
    """Number of the sets of the data set."""
    share: float | None
    """Share that the missing sets have in the data set, or in a recipe; None if shares are not
    published."""
    source: str
    """Where the sets and their shares are published."""


@dataclass(frozen=True)
class PublishedSets:
    """The sets of a published data set.

    Attributes:
        title: name of the data set.
        source: where the sets and their shares are published.
        shares: set -> its share in the data set, the sum of all being 1; None if not published.
        rest: the set of all components that no other set has; None if there is none.
    """

    title: str
    source: str
    shares: Mapping[str, float | None]
    rest: str | None = None

    def set_of(self, component: str) -> str | None:
        """Return the set to which a component belongs, by its slug."""
        name = component.partition(SEPARATOR)[0]
        if self.rest is None:
            return name if name in self.shares else None
        return next((s for s in self.shares if f"{name}-".startswith(f"{s}-")), self.rest)

    def missing(self, components: Collection[str]) -> MissingSets | None:
        """Return the sets of which there is no component; None if no set is missing.

        Args:
            components: slugs of the components that are there.
        """
        present = {self.set_of(component) for component in components}
        absent = [name for name in self.shares if name not in present]
        if not absent:
            return None
        shares = [self.shares[name] for name in absent]
        return {
            "of": self.title,
            "sets": absent,
            "known": len(self.shares),
            "share": None if None in shares else sum(share or 0 for share in shares),
            "source": self.source,
        }


@lru_cache(maxsize=1)
def _tables() -> Mapping[str, PublishedSets]:
    """Return name -> sets, from the table that ships with the package."""
    return {name: _published(table) for name, table in tomllib.loads(FILE.read_text()).items()}


def _published(table: Mapping[str, Any]) -> PublishedSets:
    """Return the sets of one table of the file."""
    given: dict[str, float] = table.get("shares", {})
    ordered = sorted(given, key=lambda name: -given[name])
    shares: dict[str, float | None] = dict.fromkeys(table.get("sets", ()))
    shares |= {name: given[name] / sum(given.values()) for name in ordered}
    return PublishedSets(table["title"], table["source"], shares, table.get("rest"))


def published_sets(name: str) -> PublishedSets | None:
    """Return the sets of a data set by its name: that of a kind of source, or of a recipe."""
    return _tables().get(name)


def sets_of_source(name: str, kind: str, components: Sequence[str] | None) -> PublishedSets | None:
    """Return the sets that a source should have: its `components`, or those of its data set."""
    if components is None:
        return published_sets(kind)
    chosen = dict.fromkeys(map(slug, components))
    return PublishedSets(f"the source {name}", "`components` of CORPUS.toml", chosen)


def sentence(missing: MissingSets) -> str:
    """Return a sentence about missing sets."""
    share, source = missing["share"], missing["source"]
    sets = f"{len(missing['sets'])} of the {missing['known']} sets of {missing['of']}"
    names = ", ".join(missing["sets"])
    if share is None:
        return f"{sets} ({source}) are missing: {names}"
    weight = formatting.share(share, 1)
    return f"{sets} are missing, with {weight} of the weight by {source}: {names}"
