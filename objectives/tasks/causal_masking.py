"""Causal masking: InCoder's (arXiv 2204.05999, section 2.1).

A document's spans are taken out, each leaves a mask behind, and they follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <mask_1> span <eom> <mask_2> span <eom>

InCoder's masks count from 0, ours from 1, as CodeGen2's vocabulary names them; the end token, which
InCoder has no use for, stays with the document. Where the public code draws on global state, loses
a token to an empty span and cuts tails off, here a span is never empty, every count is settled
before a token is written, and all is a function of the sequence's key.
"""

from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.config import Config
from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import below, derive, draw
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Rows, Segments
from objectives.tasks.kernels import Ids, copy_segment, ids_of, mark, pad
from objectives.tasks.spans import longest, restored, spread, take_out, weigh_masks

Numbers = npt.NDArray[np.int64]

ALLOWANCES = (6, 6, 9, 12)
"""Control ids of a sequence of 2,048 positions: two to four spans. Two files share a sequence as a
rule, and a file has 1.58 spans on average."""

COST = 3
"""Control ids of a span: its mask, its mask again, <eom>."""

MOST_SPANS = 256
"""InCoder's support of the number of spans is 1 to 256."""

TRIES = 32
"""A span that overlaps another is drawn again, so many times; then the document has one span less.
InCoder rejects overlapping spans and does not say when it gives up."""


class Settings(Config):
    """What InCoder publishes, and what it leaves open."""

    spans: float = Field(default=1.0, gt=0, le=64)
    """Mean of the Poisson distribution that the number of a document's spans is drawn from, among
    1 to 256. InCoder's is 1."""
    shortest: int = Field(default=8, ge=1)
    """Documents of fewer tokens stay plain: three control ids would outweigh what they teach."""
    mask_weight: float = Field(default=0.0, ge=0)
    """Loss weight of masks, in the body and before the spans: InCoder learns every token but them,
    so that they are not generated."""


def reserved_tokens(count: int, length: int) -> list[int]:
    """Return the allowances of `count` slots: ALLOWANCES, thinned evenly and scaled to `length`."""
    return spread(ALLOWANCES, COST, count, length)


def fill(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    batch: Batch,
    control: SpecialTokens,
    settings: Settings,
) -> None:
    """Mask spans of some sequences' documents, into their rows of a batch.

    The longest documents get a span each, as far as the allowance goes; then, in their order, what
    more each has drawn. The rest is copied.
    """
    ids = ids_of(control)._replace(sep=-1)
    thresholds = spans_up_to(settings.spans)
    _fill(segments, sequences, batch.rows, ids, settings.shortest, settings.mask_weight, thresholds)


@lru_cache(maxsize=8)
def spans_up_to(mean: float) -> npt.NDArray[np.uint64]:
    """Return the distribution of the number of spans, as thresholds of a 32-bit number.

    A number below entry i but not below entry i - 1 says i + 1 spans: uint64 [at most 256]. It is
    Poisson's, on condition that there are 1 to 256; in decimals, so that each machine has the same.
    """
    with localcontext() as context:
        context.prec = 50
        rate, term, total = Decimal(repr(mean)), Decimal(1), Decimal(0)
        sums = []
        for number in range(1, MOST_SPANS + 1):
            term = term * rate / number
            total += term
            sums.append(total)
        whole = [int(partial / total * (1 << 32)) for partial in sums]
    kept = whole.index(1 << 32) + 1
    return np.array(whole[:kept], np.uint64)


@compiled()
def _fill(
    segments: Segments,
    sequences: Numbers,
    rows: Rows,
    ids: Ids,
    shortest: int,
    mask_weight: float,
    thresholds: npt.NDArray[np.uint64],
) -> None:
    most = 0 if not len(sequences) else segments.reserved_tokens[sequences].max()
    cuts = np.empty((most // COST + 1, 2), np.int64)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        key, spans = segments.keys[sequence], segments.reserved_tokens[sequence] // COST
        kept = longest(segments.lengths[first:last], shortest, spans)
        spare = spans - len(kept)
        row, weights = rows.tokens[sequence], rows.loss_weights[sequence]
        used = turn = 0
        for segment in range(first, last):
            start = used
            if turn == len(kept) or first + kept[turn] != segment:
                used = copy_segment(segments, segment, row, used, ids.end)
                mark(weights, rows.segment_ids[sequence], start, used, segment - first)
                continue
            own = derive(key, segment - first)
            number = np.searchsorted(thresholds, draw(own, 0) >> np.uint64(32), side="right")
            wanted = min(1 + int(number), 1 + spare, ids.masks)
            count = _cut(own, segments.lengths[segment], cuts[:wanted])
            spare -= count - 1
            used = take_out(segments, segment, cuts[:count], row, used, ids)
            mark(weights, rows.segment_ids[sequence], start, used, segment - first)
            weigh_masks(cuts[:count], weights, start, mask_weight)
            _weigh_answers(cuts[:count], weights, used, mask_weight)
            turn += 1
        weights[0] = 0
        pad(segments, sequence, rows, used, ids.end)


@compiled()
def _cut(key: np.uint64, length: int, cuts: Numbers) -> int:
    """Draw spans that neither overlap nor touch, sorted into `cuts`; return how many there are.

    A span's length is uniform over 1 to `length`, its start over where it fits.
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


@compiled()
def _weigh_answers(cuts: Numbers, weights: Any, stop: int, weight: float) -> None:
    """Give the masks before the spans, which end at `stop`, their loss weight."""
    at = stop
    for number in range(len(cuts) - 1, -1, -1):
        at -= cuts[number, 1] + 2
        weights[at] = weight


def restore(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int32], control: SpecialTokens
) -> npt.NDArray[np.int64]:
    """Return the addresses that a row was made from: the inverse of `fill`; see `restored`."""

    def split(part: npt.NDArray[np.int64]) -> tuple[int, int]:
        first = np.flatnonzero(part == control.mask_1)
        answers = int(first[1]) if len(first) else len(part)
        return answers, answers

    return restored(tokens, documents, control, split)
