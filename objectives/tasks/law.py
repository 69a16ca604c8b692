"""The law of an objective: how many control tokens a segment needs, as numbers for compiled code.

The layout of a unit (objectives.tasks.layout) draws the law of a segment before it places the
segment, and gives the segment the positions that it needs. `fill` then writes what was drawn.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from objectives.tasks.token_splits import NO_SPLITS, TokenSplits

NONE, FIXED_COST, SPANS, POISSON, CUTS, DENOISER = range(6)
"""Kinds of laws: no control tokens; the same number for each segment; span corruption; causal
masking; fill in the middle; UL2's R and X denoisers."""


class Law(NamedTuple):
    """The law of an objective. Ratios are fixed-point numbers with 32 binary places.

    Attributes:
        kind: NONE, FIXED_COST, SPANS, POISSON, CUTS or DENOISER.
        sequence_tokens: control tokens of a sequence that belong to no segment.
        shortest: segments of fewer tokens stay plain.
        cost: FIXED_COST: control tokens of a segment. CUTS: without the tokens of cut tokens.
        rate: CUTS: probability of a segment. DENOISER: share of a segment that is masked.
        low: SPANS: least share of a segment that is masked.
        high: SPANS: largest share of a segment that is masked.
        bound: SPANS: longest span, or 0 for no bound.
        mean: DENOISER: mean length of a span, with 16 binary places.
        masks: number of masks of the vocabulary.
        thresholds: POISSON: the distribution of the number of spans; see `span_thresholds`.
        splits: CUTS: the parts of tokens, or None for cuts between tokens.
    """

    kind: int = NONE
    sequence_tokens: int = 0
    shortest: int = 1
    cost: int = 0
    rate: int = 0
    low: int = 0
    high: int = 0
    bound: int = 0
    mean: int = 0
    masks: int = 0
    thresholds: npt.NDArray[np.uint64] | None = None
    splits: TokenSplits | None = None


class Numbers(NamedTuple):
    """The integers of a Law, as compiled functions read them."""

    kind: int
    sequence_tokens: int
    shortest: int
    cost: int
    rate: int
    low: int
    high: int
    bound: int
    mean: int
    masks: int
    between_tokens: int


class Laws(NamedTuple):
    """The laws of a plan's objectives.

    Attributes:
        numbers: int64 [objectives, 11], the fields of `Numbers` of each objective.
        thresholds: uint64 [any], of the objective of kind POISSON.
        splits: of the objective of kind CUTS.
    """

    numbers: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.uint64]
    splits: TokenSplits


def tables_of(laws: list[Law]) -> Laws:
    """Return laws as compiled functions accept them; at most one has thresholds, one splits."""
    integers = len(Numbers._fields) - 1
    numbers = [[*law[:integers], law.splits is None] for law in laws]
    thresholds = [law.thresholds for law in laws if law.thresholds is not None]
    splits = [law.splits for law in laws if law.splits is not None]
    return Laws(
        np.array(numbers, np.int64),
        thresholds[0] if thresholds else np.full(1, 1 << 32, np.uint64),
        splits[0] if splits else NO_SPLITS,
    )
