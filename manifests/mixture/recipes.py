"""Recipes: published mixtures that ship as files, over sources by their kinds."""

from pathlib import Path
from typing import Any

from pydantic import Field

from manifests.config import Config, load_config, shipped
from manifests.errors import UsageError
from manifests.mixture.columns import Columns
from manifests.mixture.config import WeightedGroup
from manifests.mixture.published_sets import MissingSets, published_sets

DIRECTORY = Path(__file__).parent / "recipes"


class RecipeGroup(WeightedGroup):
    """Sources that share one weight."""

    kinds: list[str] = Field(min_length=1)
    """Kinds of sources. The group has all components of these sources; there must be one source."""
    sets: str | None = None
    """The sets that the group should have, a table of tables/published-sets.toml."""


class Recipe(Config):
    """A mixture without datasets, seed and budget."""

    published: str
    """Source of the recipe, and the mixture as the source describes it."""
    group: list[RecipeGroup] = Field(min_length=1)
    """The [[group]] tables."""

    def groups(self, name: str, kinds: dict[str, str]) -> list[dict[str, Any]]:
        """Return the groups of a mixture, with the fields of `MixtureGroup`.

        Args:
            name: of the recipe, for errors.
            kinds: source -> its kind, for all sources of the datasets.

        Raises:
            UsageError: a group has no source.
        """
        groups = []
        for group in self.group:
            sources = sorted(source for source, kind in kinds.items() if kind in group.kinds)
            if not sources:
                known = ", ".join(f"{source} ({kind})" for source, kind in sorted(kinds.items()))
                raise UsageError(
                    f"--recipe {name}: {group.name} needs a source of kind "
                    f"{' or '.join(group.kinds)}; there are: {known}"
                )
            share = group.model_dump(include={"weight", "epochs"}, exclude_none=True)
            components = [f"{source}/*" for source in sources]
            groups.append({"name": group.name, "components": components, **share})
        return groups

    def missing(self, name: str, columns: Columns) -> list[MissingSets]:
        """Return the sets that the groups of the recipe lack, with their shares in the recipe.

        Args:
            name: of the recipe, for errors.
            columns: component -> its columns, for all components of the datasets.

        Raises:
            UsageError: a group has none of its sets.
        """
        gaps = []
        for group in self.group:
            known = published_sets(group.sets or "")
            present = [row["component"] for row in columns.values() if row["kind"] in group.kinds]
            if known is None or (gap := known.missing(present)) is None:
                continue
            if len(gap["sets"]) == gap["known"]:
                raise UsageError(
                    f"--recipe {name}: {group.name} has none of its sets: {', '.join(gap['sets'])}"
                )
            total = sum(other.weight or 0 for other in self.group)
            part = (group.weight or 0) / total if total else 1
            if gap["share"] is not None:
                gap["share"] *= part
            gaps.append(gap)
        return gaps


def load_recipe(name: str) -> Recipe:
    """Read a recipe that ships with Stackpile by its name, or another TOML file by its path.

    Raises:
        UsageError: there is no such recipe, or the file has faults.
    """
    return load_config(shipped(DIRECTORY, name, "recipe"), Recipe)
