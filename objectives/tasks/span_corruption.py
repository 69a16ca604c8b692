"""File-level span corruption, as in CodeGen2 (arXiv 2305.02309, section 3.3).

The spans of a document are replaced by masks, and follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <sep> <mask_1> span <eom> <mask_2> span <eom>

This is the order of the released infill prompt, prefix <mask_1> suffix <|endoftext|> <sep>
<mask_1>, which the model answers with span <eom>. All counts are fixed before a token is written,
so nothing is truncated: k segments with m spans add 3 m + k control tokens, which the sequence's
reserved tokens cover.
"""

from typing import NamedTuple

import numpy as np
from pydantic import Field

from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import FIXED, Ids, ids_of
from objectives.tasks.objective import SpanObjective, behind
from objectives.tasks.ratios import Ratios
from objectives.tasks.spans import (
    MaskWeights,
    longest,
    place_spans,
    restore_segments,
    share_spans,
    thinned,
    write_row,
)

RESERVED = (8, 8, 12, 16, 24, 32, 48, 64)
"""Reserved tokens of sequences of 2,048 positions. Ours: two segments with a span each where files
are long, up to sixteen segments in sequences of many short files. A sequence with fewer segments
gives each of them more spans, so long files get 2 to 21."""

COST = 4
"""Control tokens of a segment's first span: its mask, <sep>, its mask, <eom>; a further span has
3."""


class Settings(Ratios):
    """Settings that the paper leaves open."""

    ratio_low: float = Field(default=0.0, ge=0, le=1)
    """Least share of a segment that is masked. Ours: the paper says "dynamic ratio" and no more; 0
    to 0.9 are its bounds for the prefix of Prefix-LM, the other ratio that it draws."""
    ratio_high: float = Field(default=0.9, ge=0, le=1)
    """Largest share of a segment that is masked. Ours, as `ratio_low`."""
    shortest: int = Field(default=8, ge=1)
    """Segments of fewer tokens stay plain. Ours: four control tokens would outweigh their text."""
    mask_weight: float = Field(default=0.0, ge=0)
    """Loss weight of a mask in the body. Ours: where a span was removed cannot be predicted, and
    the caller writes that mask when infilling. The masks before the spans have weight 1."""


class SpanCorruption(SpanObjective[Settings]):
    """Masks spans of the longest segments of a sequence, and copies the others."""

    name = "span_corruption"
    settings_class = Settings

    @classmethod
    def reserved_tokens(cls, count: int, length: int) -> list[int]:
        """Return RESERVED for `count` slots, evenly apart, scaled to `length`, halves up."""
        scale = 2048 * COST
        return [COST * max(1, (h * length + scale // 2) // scale) for h in thinned(RESERVED, count)]

    def fill(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.fill`."""
        settings = self.settings
        chosen = _Settings(*settings.fixed, settings.shortest, settings.mask_weight)
        _fill(segments, sequences, batch, ids_of(self.control), chosen)

    def restore(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row was made from; see `Objective.restore`."""

        def split(segment: Numbers) -> tuple[int, int]:
            seps = np.flatnonzero(segment == self.control.sep)
            return (int(seps[0]), int(seps[0]) + 1) if len(seps) else (len(segment), len(segment))

        return restore_segments(tokens, segment_ids, self.control, split)

    def filled_in(self, tokens: Numbers, segment_ids: SegmentIds) -> Mask:
        """Return which positions follow a segment's <sep>."""
        return behind(np.flatnonzero(tokens == self.control.sep), segment_ids)


class _Settings(NamedTuple):
    """The settings, the ratios in fixed point."""

    low: int
    high: int
    shortest: int
    mask_weight: float


@compiled()
def _fill(
    segments: Segments, sequences: Numbers, batch: Batch, ids: Ids, settings: _Settings
) -> None:
    most = 0 if not len(sequences) else segments.reserved_tokens[sequences].max()
    cuts = np.empty((most // 3 + 1, 2), np.int64)
    weights = MaskWeights(settings.mask_weight, 1.0)
    for sequence in sequences:
        kept, counts = _draw_spans(segments, sequence, ids.masks, settings, cuts)
        write_row(segments, sequence, kept, counts, cuts, batch, ids, weights)


@compiled()
def _draw_spans(
    segments: Segments, sequence: int, masks: int, settings: _Settings, cuts: Numbers
) -> tuple[Numbers, Numbers]:
    """Draw the spans of a sequence.

    Args:
        segments: of the batch.
        sequence: the row.
        masks: number of masks of the vocabulary.
        settings: the settings.
        cuts: int64 [spans or more, 2], for (first token, number of tokens) of each span, relative
            to its segment's start, ascending, one segment after the other.

    Returns:
        The segments with spans, ascending, and how many spans each has: int64 [k] both.
    """
    key, reserved = segments.keys[sequence], segments.reserved_tokens[sequence]
    first, last = segments.first[sequence], segments.first[sequence + 1]
    kept = first + longest(segments.lengths[first:last], settings.shortest, reserved // COST)
    lengths = segments.lengths[kept]
    masked, limits = np.empty(len(kept), np.int64), np.empty(len(kept), np.int64)
    for i in range(len(kept)):
        ratio = settings.low + below(draw(key, i), settings.high - settings.low + 1)
        rounded = (ratio * lengths[i] + (1 << FIXED - 1)) >> FIXED
        masked[i] = min(max(rounded, 1), lengths[i])
        limits[i] = min(masked[i], lengths[i] - masked[i] + 1, masks)
    counts = share_spans((reserved - len(kept)) // 3 - len(kept), lengths, limits)
    place_spans(key, len(kept), lengths, masked, counts, cuts)
    return kept, counts
