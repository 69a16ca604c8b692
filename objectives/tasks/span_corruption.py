"""File-level span corruption, as in CodeGen2 (arXiv 2305.02309, section 3.3).

The spans of a document are replaced by masks, and follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <sep> <mask_1> span <eom> <mask_2> span <eom>

This is the order of the released infill prompt, prefix <mask_1> suffix <|endoftext|> <sep>
<mask_1>, which the model answers with span <eom>.

The law follows the paper's order: first a ratio, then lengths and places of spans until the ratio
is reached. A segment of n tokens masks M = round(r n) of them, at least 1. The first length is
uniform over 1 to M, the next one uniform over what is left of M, until M is used up: the lengths
are those of the cycles of a random permutation of M, so there are 1 + 1/2 + ... + 1/M spans in the
mean. Lengths that leave no token between two spans are drawn again. The spans are in random order,
and their places uniform.

The lengths are drawn from the last one to the first, by Feller's coupling: stop s + 1 > s is a
stop with probability 1/(s + 1), independent of all others, and a span lies between two stops. So
the spans of M tokens and of M - 1 tokens of the same key differ in one span at most, and cutting a
segment changes the number of its spans as little as possible.
"""

from typing import Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from manifests.config import Config
from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, derive, draw
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import FIXED, Ids, fixed_point, ids_of
from objectives.tasks.law import SPANS, Law
from objectives.tasks.objective import SpanObjective, behind
from objectives.tasks.spans import (
    MaskWeights,
    composition,
    place_spans,
    restore_segments,
    write_row,
)

TRIES = 256
"""How often lengths that do not fit are drawn again. Ours: at the defaults at least 0.3 of the
draws fit, for any ratio and any segment. After that, the segment has as many spans as fit."""


class Settings(Config):
    """Settings that the paper leaves open."""

    ratio_low: float = Field(default=0.0, ge=0, le=1)
    """Least share of a segment that is masked. Ours: the paper says "dynamic ratio" and no more; 0
    to 0.9 are its bounds for the prefix of Prefix-LM, the other ratio that it draws."""
    ratio_high: float = Field(default=0.9, ge=0, le=1)
    """Largest share of a segment that is masked. Ours, as `ratio_low`."""
    shortest: int = Field(default=8, ge=1)
    """Segments of fewer tokens stay plain. Ours: four control tokens would outweigh their text."""
    span_lengths: Literal["remaining"] | int = Field(default="remaining")
    """Law of the lengths. "remaining": uniform over 1 to what is left to mask. A number: uniform
    over 1 to it, and the last span has what is left. Ours: the paper says "uniform distributions
    over ... span lengths" and names no bounds; "remaining" needs none."""
    mask_weight: float = Field(default=0.0, ge=0)
    """Loss weight of a mask in the body. Ours: where a span was removed cannot be predicted, and
    the caller writes that mask when infilling. The masks before the spans have weight 1."""

    @field_validator("span_lengths")
    @classmethod
    def _bound_is_positive(cls, bound: int | str) -> int | str:
        if isinstance(bound, int) and bound < 1:
            raise ValueError(f'must be "remaining" or at least 1, not {bound}')
        return bound

    @model_validator(mode="after")
    def _bounds_are_in_order_and_spans_fit(self) -> Self:
        bound, high = self.span_lengths, self.ratio_high
        if self.ratio_low > high:
            raise ValueError(f"ratio_low is {self.ratio_low}, above ratio_high {high}")
        if isinstance(bound, int) and 2 * high > (1 - high) * (bound + 1):
            raise ValueError(
                f"spans of 1 to {bound} tokens cannot mask {high} of a segment: their mean length "
                f"is {(bound + 1) / 2:g}, and a token lies between two spans"
            )
        return self


class SpanCorruption(SpanObjective[Settings]):
    """Masks spans of the segments of a sequence."""

    name = "span_corruption"
    settings_class = Settings

    @property
    def law(self) -> Law:
        """Three control tokens for each span, and <sep>."""
        settings = self.settings
        bound = 0 if settings.span_lengths == "remaining" else settings.span_lengths
        return Law(
            SPANS,
            shortest=settings.shortest,
            low=fixed_point(settings.ratio_low),
            high=fixed_point(settings.ratio_high),
            bound=bound,
            masks=self.control.masks,
        )

    def write(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.write`."""
        weights, law = MaskWeights(self.settings.mask_weight, 1.0), self.law
        _fill(
            segments, sequences, batch, ids_of(self.control), law.low, law.high, law.bound, weights
        )

    def undo(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row was made from; see `Objective.undo`."""

        def split(segment: Numbers) -> tuple[int, int]:
            seps = np.flatnonzero(segment == self.control.sep)
            return (int(seps[0]), int(seps[0]) + 1) if len(seps) else (len(segment), len(segment))

        return restore_segments(tokens, segment_ids, self.control, split)

    def filled_in(self, tokens: Numbers, segment_ids: SegmentIds) -> Mask:
        """Return which positions follow a segment's <sep>."""
        return behind(np.flatnonzero(tokens == self.control.sep), segment_ids)


@compiled()
def masked_tokens(key: np.uint64, length: int, low: int, high: int) -> int:
    """Return how many tokens of a segment are masked: its ratio is number 0 of its key."""
    ratio = low + below(draw(key, 0), high - low + 1)
    return min(max((ratio * length + (1 << FIXED - 1)) >> FIXED, 1), length)


@compiled()
def span_count(key: np.uint64, length: int, masked: int, masks: int, bound: int) -> tuple[int, int]:
    """Return how many spans a segment has, and the number of the draw that fits.

    Args:
        key: of the segment.
        length: of the segment.
        masked: how many tokens are masked.
        masks: number of masks of the vocabulary.
        bound: longest span, or 0.
    """
    limit = min(masks, length - masked + 1)
    if limit == 1:
        return 1, TRIES
    for attempt in range(TRIES):
        draws, count, index = derive(key, attempt), 0, 0
        stop = _next_stop(draws, 0, 0, bound)
        while stop <= masked and count <= limit:
            count += 1
            index += 1
            stop = _next_stop(draws, index, stop, bound)
        if count <= limit:
            return count, attempt
    return limit, TRIES


@compiled(inline=True)
def _next_stop(draws: np.uint64, index: int, stop: int, bound: int) -> int:
    """Return where the span begins that follows the span which begins at `stop`, from 1.

    Without a bound, all of stop + 1, stop + 2, ... are stops independently, number s with
    probability 1/s: the next one is above s with probability stop/s.
    """
    if stop == 0:
        return 1
    if bound:
        return stop + 1 + below(draw(draws, index), bound)
    return (stop << FIXED) // (int(draw(draws, index) >> np.uint64(FIXED)) + 1) + 1


@compiled()
def draw_spans(
    key: np.uint64, length: int, masked: int, count: int, attempt: int, bound: int, cuts: Numbers
) -> None:
    """Write the spans of a segment.

    Args:
        key: of the segment.
        length: of the segment.
        masked: how many tokens are masked.
        count: number of spans.
        attempt: number of the draw, as `span_count` returns it.
        bound: longest span, or 0.
        cuts: int64 [count, 2], for the result: (first token, number of tokens) of each span.
    """
    sizes, places = np.empty(count, np.int64), derive(key, TRIES + 1)
    if attempt == TRIES:
        composition(derive(key, TRIES), 0, masked, sizes)
    else:
        draws, stop = derive(key, attempt), 1
        for i in range(count):
            after = min(_next_stop(draws, i + 1, stop, bound), masked + 1)
            sizes[i] = after - stop
            stop = after
    for i in range(count - 1):
        other = i + below(draw(places, i), count - i)
        sizes[i], sizes[other] = sizes[other], sizes[i]
    place_spans(places, count, length, sizes, cuts)


@compiled()
def _fill(
    segments: Segments,
    sequences: Numbers,
    batch: Batch,
    ids: Ids,
    low: int,
    high: int,
    bound: int,
    weights: MaskWeights,
) -> None:
    room = batch.tokens.shape[1]
    cuts, counts = np.empty((room // 3 + 1, 2), np.int64), np.empty(room + 1, np.int64)
    for sequence in sequences:
        first, done = segments.first[sequence], 0
        for segment in range(first, segments.first[sequence + 1]):
            count = segments.control_tokens[segment] // 3
            counts[segment - first] = count
            if count:
                key, length = segments.keys[segment], segments.lengths[segment]
                masked = masked_tokens(key, length, low, high)
                count, attempt = span_count(key, length, masked, ids.masks, bound)
                spans = cuts[done : done + count]
                draw_spans(key, length, masked, count, attempt, bound, spans)
                done += count
        write_row(segments, sequence, counts, cuts, batch, ids, weights)
