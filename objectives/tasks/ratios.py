"""Settings of a share that is drawn uniformly between two bounds."""

from typing import Self

from pydantic import Field, model_validator

from manifests.config import Config
from objectives.tasks.kernels import FIXED


class Ratios(Config):
    """The bounds of a share."""

    ratio_low: float = Field(default=0.0, ge=0, le=1)
    """Least share."""
    ratio_high: float = Field(default=0.9, ge=0, le=1)
    """Largest share. Published for Prefix-LM (arXiv 2305.02309, section 3.1.1); ours elsewhere."""

    @property
    def fixed(self) -> tuple[int, int]:
        """Both bounds in fixed point."""
        return round(self.ratio_low * (1 << FIXED)), round(self.ratio_high * (1 << FIXED))

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.ratio_low > self.ratio_high:
            raise ValueError(f"ratio_low is {self.ratio_low}, above ratio_high {self.ratio_high}")
        return self
