"""Causal masking, as in InCoder (arXiv 2204.05999, section 2.1).

The spans of a document are replaced by masks, and follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <mask_1> span <eom> <mask_2> span <eom>

The law: a segment has 1 to 256 spans, by a Poisson distribution, given that they fit. The length of
a span is uniform over 1 to the segment's length, and its start over all starts that fit. If two
spans overlap or touch, all spans of the segment are drawn again.

InCoder numbers its masks from 0; here they begin at 1, as CodeGen2's vocabulary names them. InCoder
has no end token; here it stays with the document. InCoder's public code uses global random state,
loses a token to an empty span, and truncates documents. Here a span is never empty, all counts are
drawn before a token is written, and everything is a function of the segment's key.
"""

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.config import Config
from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw, subset
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import Ids, ids_of
from objectives.tasks.law import POISSON, Law
from objectives.tasks.objective import SpanObjective, behind
from objectives.tasks.spans import MaskWeights, restore_segments, write_row

MAX_SPANS = 256
"""Largest number of spans of a document. Published: 1 to 256."""

FEW = 3
"""Up to so many spans are drawn one by one and rejected together; more are drawn as a set of ends
and accepted by their weight. Ours: three independent spans are disjoint in 1 of 70 draws, four in 1
of 800. Both ways have the same distribution."""


class Settings(Config):
    """Settings that InCoder publishes, and those that it leaves open."""

    spans: float = Field(default=1.0, gt=0, le=64)
    """Mean of the Poisson distribution of a document's number of spans, truncated to 1 to 256.
    Published: 1."""
    shortest: int = Field(default=8, ge=1)
    """Segments of fewer tokens stay plain. Ours: three control tokens would outweigh it."""
    mask_weight: float = Field(default=0.0, ge=0)
    """Loss weight of masks, in the body and before the spans. Published: 0, so that masks are not
    generated."""


class CausalMasking(SpanObjective[Settings]):
    """Masks spans of the segments of a sequence."""

    name = "causal_masking"
    has_sep = False
    settings_class = Settings

    @property
    def law(self) -> Law:
        """Three control tokens for each span: its mask, its mask, <eom>."""
        return Law(
            POISSON,
            shortest=self.settings.shortest,
            masks=self.control.masks,
            thresholds=span_thresholds(self.settings.spans),
        )

    def write(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.write`."""
        weight, ids = self.settings.mask_weight, ids_of(self.control)._replace(sep=-1)
        _fill(segments, sequences, batch, ids, MaskWeights(weight, weight))

    def undo(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row was made from; see `Objective.undo`."""

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
def number_of_spans(
    key: np.uint64, length: int, masks: int, thresholds: npt.NDArray[np.uint64]
) -> int:
    """Return how many spans a segment has: the law of `thresholds`, given that the spans fit."""
    most = min(masks, (length + 1) // 2, len(thresholds))
    number = (draw(key, 0) >> np.uint64(32)) * thresholds[most - 1] >> np.uint64(32)
    return 1 + int(np.searchsorted(thresholds[:most], number, side="right"))


@compiled()
def draw_spans(key: np.uint64, length: int, cuts: Numbers) -> None:
    """Draw spans until none overlaps or touches another one; they are in ascending order.

    Args:
        key: of the segment.
        length: of the segment.
        cuts: int64 [n, 2], for the result: (first token, number of tokens) of each span.
    """
    count, index = len(cuts), 1
    if count <= FEW:
        while not _draw_one_by_one(key, index, length, cuts):
            index += 2 * count
        return
    ends = np.empty(2 * count, np.int64)
    weight = 0.0
    while float(draw(key, index) >> np.uint64(11)) * 2.0**-53 >= weight:
        # `subset` makes all sets of disjoint spans equally likely. By the law a span of a given
        # length and start has probability 1 / length / (length - size + 1). The product of all
        # spans is largest for one span of length - 2 (count - 1) tokens among spans of 1 token.
        subset(key, index + 1, 2 * count, length + 1, ends)
        index += 2 * count + 2
        weight = (2 * count - 1) / length
        for i in range(count):
            cuts[i, 0], cuts[i, 1] = ends[2 * i], ends[2 * i + 1] - ends[2 * i]
            weight *= length / (length - cuts[i, 1] + 1)


@compiled()
def _draw_one_by_one(key: np.uint64, index: int, length: int, cuts: Numbers) -> bool:
    """Draw spans independently and sort them; return whether there is a token between any two."""
    for i in range(len(cuts)):
        size = 1 + below(draw(key, index + 2 * i), length)
        start = below(draw(key, index + 2 * i + 1), length - size + 1)
        place = i
        while place > 0 and cuts[place - 1, 0] > start:
            cuts[place, 0], cuts[place, 1] = cuts[place - 1, 0], cuts[place - 1, 1]
            place -= 1
        cuts[place, 0], cuts[place, 1] = start, size
    return bool(np.all(cuts[1:, 0] > cuts[:-1, 0] + cuts[:-1, 1]))


@compiled()
def _fill(
    segments: Segments, sequences: Numbers, batch: Batch, ids: Ids, weights: MaskWeights
) -> None:
    room = batch.tokens.shape[1]
    cuts, counts = np.empty((room // 3 + 1, 2), np.int64), np.empty(room + 1, np.int64)
    for sequence in sequences:
        first, done = segments.first[sequence], 0
        for segment in range(first, segments.first[sequence + 1]):
            count = segments.control_tokens[segment] // 3
            counts[segment - first] = count
            if count:
                spans = cuts[done : done + count]
                draw_spans(segments.keys[segment], segments.lengths[segment], spans)
                done += count
        write_row(segments, sequence, counts, cuts, batch, ids, weights)
