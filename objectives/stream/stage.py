"""Stages: the weights and tombstones of the stream from a position on."""

from pydantic import Field

from manifests.config import Config


class Stage(Config):
    """The weights and tombstones of the stream from a position on."""

    position: int = Field(ge=0)
    """First position: a multiple of `interleave` x `sequences_per_unit`."""
    weights: list[int]
    """Weight of each component, in the plan's order: its share of the units. The weights sum to
    2^32."""
    tombstones: dict[str, list[str]] = Field(default_factory=dict)
    """Name of a component -> names of the tombstones of its dataset that are applied. Tombstones of
    later date are not, so that a position means the same sequence for ever."""
