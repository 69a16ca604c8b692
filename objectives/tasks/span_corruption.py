"""File-level span corruption: CodeGen2's (arXiv 2305.02309, section 2.3).

A document's spans are taken out, each leaves a mask behind, and they follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <sep> <mask_1> span <eom> <mask_2> span <eom>

That is the order of the released infill prompt (prefix <mask_1> suffix <|endoftext|> <sep>
<mask_1>), which the model answers with span <eom>. All counts are settled before a token is
written, so nothing is ever truncated: with k kept segments and m spans a sequence grows by 3 m + k
control ids, which its allowance covers.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import below, draw
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Rows, Segments
from objectives.tasks.kernels import FIXED, Ids, copy_segment, ids_of, mark, pad
from objectives.tasks.ratios import Ratios
from objectives.tasks.spans import (
    cut,
    deal,
    longest,
    restored,
    take_out,
    thinned,
    weigh_masks,
)

Numbers = npt.NDArray[np.int64]

ALLOWANCES = (8, 8, 12, 16, 24, 32, 48, 64)
"""Control ids of a sequence of 2,048 positions: two segments with a span each where files are
long, up to sixteen for sequences of many short files. Where fewer segments can be kept, the same
allowance buys each more spans, so long files get 2 to 21."""

COST = 4
"""Control ids of a segment's first span: its mask, <sep>, the mask again, <eom>; 3 for another."""


class Settings(Ratios):
    """What the paper leaves open."""

    ratio_low: float = Field(default=0.0, ge=0, le=1)
    """Least share of a segment that is masked. The paper says "dynamic" and no more; 0 to 0.9 are
    its bounds for the prefix of Prefix-LM, the other ratio that it draws."""
    ratio_high: float = Field(default=0.9, ge=0, le=1)
    """Largest share of a segment that is masked."""
    shortest: int = Field(default=8, ge=1)
    """Segments of fewer tokens stay plain: four control ids would outweigh what they teach."""
    mask_weight: float = Field(default=0.0, ge=0)
    """Loss weight of a mask in the body: where a span was taken out cannot be known beforehand,
    and when infilling the caller writes it. The masks before the spans weigh 1."""


def reserved_tokens(count: int, length: int) -> list[int]:
    """Return the allowances of `count` slots: ALLOWANCES, thinned evenly and scaled to `length`."""
    scale = 2048 * COST
    # Halves go up: to the even number, as in `spread`, would change the plans that there are.
    return [COST * max(1, (h * length + scale // 2) // scale) for h in thinned(ALLOWANCES, count)]


def fill(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    batch: Batch,
    control: SpecialTokens,
    settings: Settings,
) -> None:
    """Corrupt some sequences into their rows of a batch.

    The segments that are kept for corruption are the longest ones, as many as the allowance pays
    for; the rest is copied.
    """
    chosen = _Chosen(*settings.fixed, settings.shortest, settings.mask_weight)
    _fill(segments, sequences, batch.rows, ids_of(control), chosen)


class _Chosen(NamedTuple):
    """Settings, the ratios as fixed-point numbers."""

    low: int
    high: int
    shortest: int
    mask_weight: float


@compiled()
def _fill(segments: Segments, sequences: Numbers, rows: Rows, ids: Ids, settings: _Chosen) -> None:
    most = 0 if not len(sequences) else segments.reserved_tokens[sequences].max()
    cuts = np.empty((most // 3 + 1, 2), np.int64)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        kept, counts = _spans(segments, sequence, ids.masks, settings, cuts)
        row, weights = rows.tokens[sequence], rows.loss_weights[sequence]
        documents = rows.segment_ids[sequence]
        used = drawn = turn = 0
        for segment in range(first, last):
            start = used
            if turn == len(kept) or kept[turn] != segment:
                used = copy_segment(segments, segment, row, used, ids.end)
                mark(weights, documents, start, used, segment - first)
                continue
            mine = cuts[drawn : drawn + counts[turn]]
            used = take_out(segments, segment, mine, row, used, ids)
            mark(weights, documents, start, used, segment - first)
            weigh_masks(mine, weights, start, settings.mask_weight)
            drawn += counts[turn]
            turn += 1
        weights[0] = 0
        pad(segments, sequence, rows, used, ids.end)


@compiled()
def _spans(
    segments: Segments, sequence: int, masks: int, settings: _Chosen, cuts: Numbers
) -> tuple[Numbers, Numbers]:
    """Draw the spans of a sequence.

    Args:
        segments: the batch's.
        sequence: which one.
        masks: how many masks the vocabulary has.
        settings: ratios and the shortest segment.
        cuts: int64 [spans or more, 2], for the spans: (first token, tokens) each, from their
            segment's start, ascending, one segment's after the other's.

    Returns:
        The segments that are kept, ascending, and how many spans each has: int64 [k] both.
    """
    key, allowance = segments.keys[sequence], segments.reserved_tokens[sequence]
    first, last = segments.first[sequence], segments.first[sequence + 1]
    kept = first + longest(segments.lengths[first:last], settings.shortest, allowance // COST)
    lengths = segments.lengths[kept]
    masked = np.empty(len(kept), np.int64)
    limits = np.empty(len(kept), np.int64)
    for i in range(len(kept)):
        ratio = settings.low + below(draw(key, i), settings.high - settings.low + 1)
        rounded = (ratio * lengths[i] + (1 << FIXED - 1)) >> FIXED
        masked[i] = min(max(rounded, 1), lengths[i])
        limits[i] = min(masked[i], lengths[i] - masked[i] + 1, masks)
    counts = deal((allowance - len(kept)) // 3 - len(kept), lengths, limits)
    index, done = len(kept), 0
    for i in range(len(kept)):
        mine = cuts[done : done + counts[i]]
        index = cut(key, index, lengths[i], masked[i], mine)
        done += counts[i]
    return kept, counts


def restore(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int32], control: SpecialTokens
) -> npt.NDArray[np.int64]:
    """Return the addresses that a row was made from: the inverse of `fill`; see `restored`."""

    def split(part: npt.NDArray[np.int64]) -> tuple[int, int]:
        seps = np.flatnonzero(part == control.sep)
        return (int(seps[0]), int(seps[0]) + 1) if len(seps) else (len(part), len(part))

    return restored(tokens, documents, control, split)
