"""Slots: which objective makes each sequence of a unit, and how many positions it reserves."""

from typing import Any

from pydantic import Field

from manifests.config import Config


class Slot(Config):
    """What one sequence of a unit is made by."""

    objective: str
    """Name of an objective."""
    reserved_tokens: int = Field(ge=0)
    """Positions set aside for control ids: the sequence takes this many addresses less."""


class Stage(Config):
    """From `position` on, these weights and these slots."""

    position: int = Field(ge=0)
    """A multiple of `interleave` x `sequences_per_unit`."""
    weights: list[int]
    """Of each component, in the order of the plan's; they sum to 2^32."""
    slots: list[Slot]
    """One for each sequence of a unit; dealt to them by a keyed permutation."""
    tombstones: dict[str, list[str]] = Field(default_factory=dict)
    """Component, by the plan's name for it -> the tombstones of its dataset that are obeyed: these
    and no others, so that a position means the same whatever is forgotten later."""

    def content(self) -> dict[str, Any]:
        """Return what digests are made of."""
        content = self.model_dump(mode="json")
        if not self.tombstones:  # so that plans of before there were any keep their digests
            del content["tombstones"]
        return content
