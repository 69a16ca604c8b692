"""Named mixtures that ship as files: published ones, over sources by their kinds."""

from pathlib import Path
from typing import Any

from pydantic import Field

from manifests.config import Config, load_config, shipped
from manifests.errors import UsageError

DIRECTORY = Path(__file__).parent / "recipes"


class RecipeGroup(Config):
    """Sources that share one weight."""

    name: str
    """How tables and errors call it."""
    kinds: list[str] = Field(min_length=1)
    """All components of the sources of these kinds; there must be one."""
    weight: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Its share of the tokens, relative to the other groups' weights; or else `epochs`."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How often the whole mixture sees it; or else `weight`."""


class Recipe(Config):
    """A mixture without datasets, seed and budget."""

    published: str
    """Where it was published, and what was said there."""
    group: list[RecipeGroup] = Field(min_length=1)

    def groups(self, name: str, kinds: dict[str, str]) -> list[dict[str, Any]]:
        """Return the groups of a mixture, as `Group` has them.

        Args:
            name: of the recipe, for errors.
            kinds: source -> its kind, of all sources there are.

        Raises:
            UsageError: a group finds no source.
        """
        return [_group(name, each, kinds) for each in self.group]


def _group(recipe: str, group: RecipeGroup, kinds: dict[str, str]) -> dict[str, Any]:
    sources = sorted(source for source, kind in kinds.items() if kind in group.kinds)
    if not sources:
        there = ", ".join(f"{source} ({kind})" for source, kind in sorted(kinds.items()))
        raise UsageError(
            f"--recipe {recipe}: {group.name} needs a source of kind {' or '.join(group.kinds)}; "
            f"there are: {there}"
        )
    share = group.model_dump(include={"weight", "epochs"}, exclude_none=True)
    return {"name": group.name, "components": [f"{source}/*" for source in sources], **share}


def load_recipe(name: str) -> Recipe:
    """Read a recipe that ships with Stackpile, by its name, or a TOML file, by its path.

    Raises:
        UsageError: there is none, or the file has faults.
    """
    return load_config(shipped(DIRECTORY, name, "recipe"), Recipe)
