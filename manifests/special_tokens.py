"""Ids of the control tokens that objectives use."""

from typing import Self

from pydantic import Field, model_validator

from manifests.config import Config
from manifests.errors import UsageError

MASKS = 409
"""Masks of a trained vocabulary. Ours: no sequence of 2,048 tokens uses more by any objective. R
and X denoisers of UL2 need the most: files of 2 tokens take 5 positions and a mask each."""


class SpecialTokens(Config):
    """Ids of the control tokens of a vocabulary, as plans and manifests record them."""

    end: int = Field(ge=0)
    """Id of the end of a document (`<|endoftext|>`); also the id of padding."""
    sep: int | None = Field(default=None, ge=0)
    """Id of `<sep>`, between a document and its spans; None if the vocabulary has no spans."""
    eom: int | None = Field(default=None, ge=0)
    """Id of `<eom>`, after each span."""
    mask_1: int | None = Field(default=None, ge=0)
    """Id of `<mask_1>`."""
    mask_step: int = -1
    """Id of `<mask_2>` minus id of `<mask_1>`. Published: -1 in CodeGen2's vocabulary."""
    masks: int = Field(default=0, ge=0)
    """Number of mask tokens: 899 in CodeGen2's vocabulary."""
    fim_prefix: int | None = Field(default=None, ge=0)
    """Id of `<fim_prefix>`, in the vocabularies of StarCoder and CodeGen2.5."""
    fim_suffix: int | None = Field(default=None, ge=0)
    """Id of `<fim_suffix>`."""
    fim_middle: int | None = Field(default=None, ge=0)
    """Id of `<fim_middle>`."""
    vocabulary: int = Field(gt=0)
    """One more than the largest id."""

    @model_validator(mode="after")
    def _ids_are_in_the_vocabulary(self) -> Self:
        fields = ("end", "sep", "eom", "mask_1", "fim_prefix", "fim_suffix", "fim_middle")
        known = {name: getattr(self, name) for name in fields}
        if self.masks:
            if self.mask_1 is None:
                raise ValueError("mask_1 is missing, yet there are masks")
            if not self.mask_step:
                raise ValueError("mask_step must not be 0")
            known[f"mask_{self.masks}"] = self.mask_1 + (self.masks - 1) * self.mask_step
        for name, number in known.items():
            if number is not None and not 0 <= number < self.vocabulary:
                raise ValueError(f"{name} is {number}, not below the vocabulary {self.vocabulary}")
        return self

    def mask(self, number: int) -> int:
        """Return the id of `<mask_number>`, numbered from 1.

        Raises:
            UsageError: the vocabulary has fewer masks.
        """
        if self.mask_1 is None or not 1 <= number <= self.masks:
            raise UsageError(f"<mask_{number}>: the vocabulary has {self.masks} masks")
        return self.mask_1 + (number - 1) * self.mask_step
