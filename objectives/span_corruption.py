"""File-level span corruption: CodeGen2's (arXiv 2305.02309, section 2.3).

A document's spans are taken out, each leaves a mask behind, and they follow the document:

    gap <mask_1> gap <mask_2> gap <|endoftext|> <sep> <mask_1> span <eom> <mask_2> span <eom>

That is the order of the released infill prompt (prefix <mask_1> suffix <|endoftext|> <sep>
<mask_1>), which the model answers with span <eom>. All counts are settled before a token is
written, so nothing is ever truncated: with k kept segments and m spans a sequence grows by 3 m + k
control ids, which its allowance covers.
"""

from itertools import pairwise
from typing import NamedTuple, Self

import numba
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from manifests.config import Config
from manifests.control import Control
from manifests.splitmix_kernels import below, draw, subset
from objectives.batch import Batch, Rows, Segments
from objectives.kernels import Ids, copy, copy_segment, ids_of, mark, pad

Numbers = npt.NDArray[np.int64]

ALLOWANCES = (8, 8, 12, 16, 24, 32, 48, 64)
"""Control ids of a sequence of 2,048 positions: two segments with a span each where files are
long, up to sixteen for sequences of many short files. Where fewer segments can be kept, the same
allowance buys each more spans, so long files get 2 to 21."""

COST = 4
"""Control ids of a segment's first span: its mask, <sep>, the mask again, <eom>; 3 for another."""

FIXED = 32
"""Ratios are fixed-point numbers with so many binary places: the same on every machine."""


class Settings(Config):
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

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.ratio_low > self.ratio_high:
            raise ValueError(f"ratio_low is {self.ratio_low}, above ratio_high {self.ratio_high}")
        return self


def allowances(count: int, length: int) -> list[int]:
    """Return the allowances of `count` slots: ALLOWANCES, thinned evenly and scaled to `length`."""
    size = len(ALLOWANCES)
    chosen = [ALLOWANCES[(2 * i + 1) * size // (2 * count)] for i in range(count)]
    scale = 2048 * COST
    return [COST * max(1, (h * length + scale // 2) // scale) for h in chosen]


def fill(
    segments: Segments,
    sequences: npt.NDArray[np.int64],
    batch: Batch,
    control: Control,
    settings: Settings,
) -> None:
    """Corrupt some sequences into their rows of a batch.

    The segments that are kept for corruption are the longest ones, as many as the allowance pays
    for; the rest is copied.
    """
    low, high = (round(r * (1 << FIXED)) for r in (settings.ratio_low, settings.ratio_high))
    chosen = _Chosen(low, high, settings.shortest, settings.mask_weight)
    _fill(segments, sequences, batch.rows, ids_of(control), chosen)


class _Chosen(NamedTuple):
    """Settings, the ratios as fixed-point numbers."""

    low: int
    high: int
    shortest: int
    mask_weight: float


@numba.njit(cache=True)
def _fill(segments: Segments, sequences: Numbers, rows: Rows, ids: Ids, settings: _Chosen) -> None:
    most = 0 if not len(sequences) else segments.allowances[sequences].max()
    cuts = np.empty((most // 3 + 1, 2), np.int64)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        kept, counts = _spans(segments, sequence, ids.masks, settings, cuts)
        row, weights = rows.tokens[sequence], rows.weights[sequence]
        documents = rows.documents[sequence]
        used = drawn = turn = 0
        for segment in range(first, last):
            start = used
            if turn == len(kept) or kept[turn] != segment:
                used = copy_segment(segments, segment, row, used, ids.end)
                mark(weights, documents, start, used, segment - first)
                continue
            mine = cuts[drawn : drawn + counts[turn]]
            used = _corrupt(segments, segment, mine, row, used, ids)
            mark(weights, documents, start, used, segment - first)
            _weigh_masks(mine, weights, start, settings.mask_weight)
            drawn += counts[turn]
            turn += 1
        weights[0] = 0
        pad(segments, sequence, rows, used, ids.end)


@numba.njit(cache=True)
def _corrupt(
    segments: Segments, segment: int, cuts: Numbers, row: Numbers, at: int, ids: Ids
) -> int:
    """Write a segment without its spans, then them, at `at` of a row; return where it ends."""
    tokens, start = segments.tokens, segments.starts[segment]
    position = start
    for number in range(len(cuts)):
        at = copy(tokens, position, start + cuts[number, 0] - position, row, at)
        row[at] = ids.mask_1 + number * ids.mask_step
        position = start + cuts[number, 0] + cuts[number, 1]
        at += 1
    at = copy(tokens, position, start + segments.lengths[segment] - position, row, at)
    if segments.closed[segment]:
        row[at] = ids.end
        at += 1
    row[at] = ids.sep
    at += 1
    for number in range(len(cuts)):
        row[at] = ids.mask_1 + number * ids.mask_step
        at = copy(tokens, start + cuts[number, 0], cuts[number, 1], row, at + 1)
        row[at] = ids.eom
        at += 1
    return at


@numba.njit(cache=True)
def _weigh_masks(
    cuts: Numbers, weights: npt.NDArray[np.float32], start: int, weight: float
) -> None:
    """Give the masks in a body that begins at `start` their loss weight."""
    hidden = 0
    for number in range(len(cuts)):
        weights[start + cuts[number, 0] - hidden + number] = weight
        hidden += cuts[number, 1]


@numba.njit(cache=True)
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
    key, allowance = segments.keys[sequence], segments.allowances[sequence]
    kept = _longest(segments, sequence, settings.shortest, allowance // COST)
    lengths = segments.lengths[kept]
    masked = np.empty(len(kept), np.int64)
    limits = np.empty(len(kept), np.int64)
    for i in range(len(kept)):
        ratio = settings.low + below(draw(key, i), settings.high - settings.low + 1)
        rounded = (ratio * lengths[i] + (1 << FIXED - 1)) >> FIXED
        masked[i] = min(max(rounded, 1), lengths[i])
        limits[i] = min(masked[i], lengths[i] - masked[i] + 1, masks)
    counts = _deal((allowance - len(kept)) // 3 - len(kept), lengths, limits)
    index, done = len(kept), 0
    for i in range(len(kept)):
        mine = cuts[done : done + counts[i]]
        index = _cut(key, index, lengths[i], masked[i], mine)
        done += counts[i]
    return kept, counts


@numba.njit(cache=True)
def _longest(segments: Segments, sequence: int, shortest: int, most: int) -> Numbers:
    """Return the `most` longest segments that are not too short, the first among equals."""
    first, last = segments.first[sequence], segments.first[sequence + 1]
    lengths = segments.lengths[first:last]
    count, longer = int(np.count_nonzero(lengths >= shortest)), 0
    if count > most:
        shortest = int(np.sort(lengths)[len(lengths) - most] if most else lengths.max() + 1)
        longer = int(np.count_nonzero(lengths > shortest))
        count = most
    kept = np.empty(count, np.int64)
    equal, at = count - longer, 0
    for i in range(len(lengths)):
        if lengths[i] > shortest or (lengths[i] == shortest and equal > 0):
            equal -= lengths[i] == shortest
            kept[at] = first + i
            at += 1
    return kept


@numba.njit(cache=True)
def _deal(extra: int, lengths: Numbers, limits: Numbers) -> Numbers:
    """Return the spans of each segment: one, and a share of `extra` in proportion to its length.

    What the floors and the limits leave goes one by one to the longest that may still have more.
    """
    counts: Numbers = np.minimum(limits, 1 + extra * lengths // max(lengths.sum(), 1))
    left = extra + len(lengths) - counts.sum()
    by_length = np.argsort(-lengths, kind="mergesort")
    while left > 0 and (counts < limits).any():
        for i in by_length:
            if left > 0 and counts[i] < limits[i]:
                counts[i] += 1
                left -= 1
    return counts


@numba.njit(cache=True)
def _cut(key: np.uint64, index: int, length: int, masked: int, cuts: Numbers) -> int:
    """Place spans of `masked` tokens together: uniform over all ways there are.

    Lengths are at least 1 each, gaps between spans at least 1, the outer gaps at least 0.

    Args:
        key: whose numbers they are drawn from.
        index: the number of `key` to begin with.
        length: of the segment.
        masked: tokens of all its spans.
        cuts: int64 [spans, 2], for the result.

    Returns:
        The first number of `key` that was not used.
    """
    count = len(cuts)
    sizes, gaps = np.empty(count, np.int64), np.empty(count + 1, np.int64)
    _composition(key, index, masked, sizes)
    _composition(key, index + count - 1, length - masked + 2, gaps)
    at = -1
    for i in range(count):
        at += gaps[i]
        cuts[i, 0], cuts[i, 1] = at, sizes[i]
        at += sizes[i]
    return index + 2 * count - 1


@numba.njit(cache=True)
def _composition(key: np.uint64, index: int, total: int, parts: Numbers) -> None:
    """Write numbers above 0 that sum to `total`, all such lists equally likely.

    It takes len(parts) - 1 numbers of `key`, from `index` on.
    """
    last = len(parts) - 1
    subset(key, index, last, total - 1, parts)
    parts[last] = total - 1
    for i in range(last, 0, -1):
        parts[i] -= parts[i - 1]
    parts[0] += 1


def restore(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int32], control: Control
) -> npt.NDArray[np.int64]:
    """Return the addresses that a row was made from: the inverse of `fill`.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        control: the plan's control ids.
    """
    used = int(np.count_nonzero(documents >= 0))
    bounds = [0, *(np.flatnonzero(np.diff(documents[:used])) + 1).tolist(), used]
    pieces = [_restore_segment(tokens[start:stop], control) for start, stop in pairwise(bounds)]
    return np.concatenate(pieces)


def _restore_segment(tokens: npt.NDArray[np.int64], control: Control) -> npt.NDArray[np.int64]:
    seps = np.flatnonzero(tokens == control.sep)
    if not len(seps):
        return tokens
    body, tail = tokens[: seps[0]], tokens[seps[0] + 1 :]
    pieces, position, start = [], 0, 0
    for number, stop in enumerate(np.flatnonzero(tail == control.eom).tolist(), start=1):
        mask = int(np.flatnonzero(body == control.mask(number))[0])
        pieces += [body[position:mask], tail[start + 1 : stop]]
        position, start = mask + 1, stop + 1
    return np.concatenate([*pieces, body[position:]])
