"""Causal masking, as in InCoder (arXiv 2204.05999, section 2.1).

The spans of a document are replaced by masks, and follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <mask_1> span <eom> <mask_2> span <eom>

InCoder numbers its masks from 0; here they begin at 1, as CodeGen2's vocabulary names them. InCoder
has no end token; here it stays with the document. InCoder's public code uses global random state,
loses a token to an empty span, and truncates documents. Here a span is never empty, all counts are
fixed before a token is written, and everything is a function of the sequence's key.
"""

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.config import Config
from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, derive, draw
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import Ids, ids_of
from objectives.tasks.objective import SpanObjective, behind
from objectives.tasks.spans import MaskWeights, longest, restore_segments, spread, write_row

RESERVED = (6, 6, 9, 12)
"""Reserved tokens of sequences of 2,048 positions: two to four spans. Ours: in the mean two files
share a sequence, and a file has 1.58 spans."""

COST = 3
"""Control tokens of a span: its mask, its mask, <eom>."""

MAX_SPANS = 256
"""Largest number of spans of a document. Published: 1 to 256."""

TRIES = 32
"""How often a span that overlaps another one is drawn again before the document has one span less.
Ours: InCoder rejects overlapping spans and does not say when it stops."""


class Settings(Config):
    """Settings that InCoder publishes, and those that it leaves open."""

    spans: float = Field(default=1.0, gt=0, le=64)
    """Mean of the Poisson distribution of a document's number of spans, truncated to 1 to 256.
    Published: 1."""
    shortest: int = Field(default=8, ge=1)
    """Documents of fewer tokens stay plain. Ours: three control tokens would outweigh it."""
    mask_weight: float = Field(default=0.0, ge=0)
    """Loss weight of masks, in the body and before the spans. Published: 0, so that masks are not
    generated."""


class CausalMasking(SpanObjective[Settings]):
    """Masks spans of the longest segments of a sequence, and copies the others.

    The longest segments get a span each, as far as the reserved tokens suffice; then, in their
    order, the further spans that each segment has drawn.
    """

    name = "causal_masking"
    has_sep = False
    settings_class = Settings

    @classmethod
    def reserved_tokens(cls, count: int, length: int) -> list[int]:
        """Return RESERVED for `count` slots, evenly apart, scaled to `length`."""
        return spread(RESERVED, COST, count, length)

    def fill(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.fill`."""
        settings, ids = self.settings, ids_of(self.control)._replace(sep=-1)
        weights = MaskWeights(settings.mask_weight, settings.mask_weight)
        thresholds = span_thresholds(settings.spans)
        _fill(segments, sequences, batch, ids, settings.shortest, weights, thresholds)

    def restore(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row was made from; see `Objective.restore`."""

        def split(segment: Numbers) -> tuple[int, int]:
            masks = np.flatnonzero(segment == self.control.mask_1)
            answers = int(masks[1]) if len(masks) else len(segment)
            return answers, answers

        return restore_segments(tokens, segment_ids, self.control, split)

    def filled_in(self, tokens: Numbers, segment_ids: SegmentIds) -> Mask:
        """Return which positions follow the second <mask_1> of a segment."""
        masks = np.flatnonzero(tokens == self.control.mask_1)
        return behind(masks[1:][segment_ids[masks[1:]] == segment_ids[masks[:-1]]], segment_ids)


@lru_cache(maxsize=8)
def span_thresholds(mean: float) -> npt.NDArray[np.uint64]:
    """Return the distribution of the number of spans, as thresholds of a 32-bit number.

    A number below entry i but not below entry i - 1 means i + 1 spans: uint64 [at most 256]. The
    distribution is Poisson's, given 1 to 256 spans. It is computed in decimals, so that each
    machine has the same thresholds.
    """
    with localcontext() as context:
        context.prec = 50
        rate, term, total = Decimal(repr(mean)), Decimal(1), Decimal(0)
        sums = []
        for number in range(1, MAX_SPANS + 1):
            term = term * rate / number
            total += term
            sums.append(total)
        thresholds = [int(partial / total * (1 << 32)) for partial in sums]
    return np.array(thresholds[: thresholds.index(1 << 32) + 1], np.uint64)


@compiled()
def _fill(
    segments: Segments,
    sequences: Numbers,
    batch: Batch,
    ids: Ids,
    shortest: int,
    weights: MaskWeights,
    thresholds: npt.NDArray[np.uint64],
) -> None:
    most = 0 if not len(sequences) else segments.reserved_tokens[sequences].max()
    cuts = np.empty((most // COST + 1, 2), np.int64)
    for sequence in sequences:
        kept, counts = _draw_spans(segments, sequence, ids.masks, shortest, thresholds, cuts)
        write_row(segments, sequence, kept, counts, cuts, batch, ids, weights)


@compiled()
def _draw_spans(
    segments: Segments,
    sequence: int,
    masks: int,
    shortest: int,
    thresholds: npt.NDArray[np.uint64],
    cuts: Numbers,
) -> tuple[Numbers, Numbers]:
    """Draw the spans of a sequence; arguments and result as in span_corruption."""
    first, last = segments.first[sequence], segments.first[sequence + 1]
    spans = segments.reserved_tokens[sequence] // COST
    kept = first + longest(segments.lengths[first:last], shortest, spans)
    counts = np.empty(len(kept), np.int64)
    spare, done = spans - len(kept), 0
    for i in range(len(kept)):
        key = derive(segments.keys[sequence], kept[i] - first)
        number = np.searchsorted(thresholds, draw(key, 0) >> np.uint64(32), side="right")
        wanted = min(1 + int(number), 1 + spare, masks)
        counts[i] = _place_spans(key, segments.lengths[kept[i]], cuts[done : done + wanted])
        spare -= counts[i] - 1
        done += counts[i]
    return kept, counts


@compiled()
def _place_spans(key: np.uint64, length: int, cuts: Numbers) -> int:
    """Draw spans that neither overlap nor touch, sorted into `cuts`; return how many there are.

    The length of a span is uniform over 1 to `length`, its start over all starts that fit.
    """
    count, index = 0, 1
    for _ in range(len(cuts)):
        for _ in range(TRIES):
            size = 1 + below(draw(key, index), length)
            start = below(draw(key, index + 1), length - size + 1)
            index += 2
            place = 0
            while place < count and cuts[place, 0] < start:
                place += 1
            after_one = place == 0 or cuts[place - 1, 0] + cuts[place - 1, 1] < start
            if after_one and (place == count or start + size < cuts[place, 0]):
                for i in range(count, place, -1):
                    cuts[i, 0], cuts[i, 1] = cuts[i - 1, 0], cuts[i - 1, 1]
                cuts[place, 0], cuts[place, 1] = start, size
                count += 1
                break
    return count
