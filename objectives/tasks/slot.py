"""Slots: which objective makes each sequence of a unit, and how many positions it reserves."""

from pydantic import Field

from manifests.config import Config


class Slot(Config):
    """The objective of one sequence of a unit."""

    objective: str
    """Name of an objective."""
    reserved_tokens: int = Field(ge=0)
    """Positions reserved for control tokens: the sequence has this many addresses fewer than L."""


class Stage(Config):
    """The weights and slots of the stream from a position on."""

    position: int = Field(ge=0)
    """First position: a multiple of `interleave` x `sequences_per_unit`."""
    weights: list[int]
    """Weight of each component, in the plan's order; the weights sum to 2^32."""
    slots: list[Slot]
    """One for each sequence of a unit; each unit assigns them to its sequences in an order of its
    own."""
    tombstones: dict[str, list[str]] = Field(default_factory=dict)
    """Name of a component -> names of the tombstones of its dataset that are applied. Tombstones of
    later date are not, so that a position means the same sequence for ever."""
