"""Spans: where they are in a segment, and rows in which they follow their segment."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix import subset
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Segments
from objectives.tasks.kernels import Ids, copy, copy_segment, mark, pad

Numbers = npt.NDArray[np.int64]


@compiled()
def place_spans(key: np.uint64, index: int, length: int, sizes: Numbers, cuts: Numbers) -> None:
    """Place spans in a segment, uniformly over all ways to place them in the order of `sizes`.

    A gap between two spans has at least 1 token, an outer gap at least 0. It uses as many numbers
    of `key` as there are spans.

    Args:
        key: key of the random numbers.
        index: the first number of `key` to use.
        length: of the segment.
        sizes: int64 [n], tokens of each span.
        cuts: int64 [n, 2], for the result: (first token, number of tokens) of each span.
    """
    gaps = np.empty(len(sizes) + 1, np.int64)
    composition(key, index, length - sizes.sum() + 2, gaps)
    at = -1
    for i in range(len(sizes)):
        at += gaps[i]
        cuts[i, 0], cuts[i, 1] = at, sizes[i]
        at += sizes[i]


@compiled()
def composition(key: np.uint64, index: int, total: int, parts: Numbers) -> None:
    """Write positive numbers that sum to `total`, uniformly over all such lists.

    It uses len(parts) - 1 numbers of `key`, from `index` on.
    """
    last = len(parts) - 1
    subset(key, index, last, total - 1, parts)
    parts[last] = total - 1
    for i in range(last, 0, -1):
        parts[i] -= parts[i - 1]
    parts[0] += 1


class MaskWeights(NamedTuple):
    """Loss weights of masks."""

    body: float
    """Of a mask in the place of a span."""
    answer: float
    """Of a mask before its span, behind the body."""


@compiled(inline=True)
def write_row(
    segments: Segments,
    sequence: int,
    counts: Numbers,
    cuts: Numbers,
    batch: Batch,
    ids: Ids,
    weights: MaskWeights,
) -> None:
    """Write a row of which some segments have their spans behind them.

    Args:
        segments: of the batch.
        sequence: the row.
        counts: int64 [segments of the row or more], how many spans each has; 0 for a plain one.
        cuts: int64 [sum of counts or more, 2], (first token, number of tokens) of each span.
        batch: the batch.
        ids: control ids; without `sep` no <sep> is written.
        weights: loss weights of the masks.
    """
    first, last = segments.first[sequence], segments.first[sequence + 1]
    row, loss_weights = batch.tokens[sequence], batch.loss_weights[sequence]
    segment_ids = batch.segment_ids[sequence]
    used = done = 0
    for segment in range(first, last):
        start, count = used, counts[segment - first]
        if count == 0:
            used = copy_segment(segments, segment, row, used, ids.end)
            mark(loss_weights, segment_ids, start, used, segment - first)
            continue
        spans = cuts[done : done + count]
        used = write_segment(segments, segment, spans, row, used, ids)
        mark(loss_weights, segment_ids, start, used, segment - first)
        _weigh_masks(spans, loss_weights, start, used, weights)
        done += count
    loss_weights[0] = 0
    pad(segments, sequence, batch, used, ids.end)


@compiled()
def write_segment(
    segments: Segments, segment: int, cuts: Numbers, row: Any, at: int, ids: Ids
) -> int:
    """Write a segment with masks in place of its spans, then each mask, its span and <eom>.

    Args:
        segments: of the batch.
        segment: the segment.
        cuts: int64 [spans, 2], (first token, number of tokens) of each span, ascending.
        row: of the batch.
        at: position in the row.
        ids: control ids; without `sep` no <sep> is written.

    Returns:
        The position behind what was written.
    """
    tokens, start = segments.tokens, segments.starts[segment]
    at = write_body(segments, segment, cuts, 0, row, at, ids)
    if ids.sep >= 0:
        row[at] = ids.sep
        at += 1
    for number in range(len(cuts)):
        row[at] = ids.mask_1 + number * ids.mask_step
        at = copy(tokens, start + cuts[number, 0], cuts[number, 1], row, at + 1)
        row[at] = ids.eom
        at += 1
    return at


@compiled(inline=True)
def write_body(
    segments: Segments, segment: int, cuts: Numbers, before: int, row: Any, at: int, ids: Ids
) -> int:
    """Write a segment with masks in place of its spans; return the position behind it.

    Args:
        segments: of the batch.
        segment: the segment.
        cuts: int64 [spans, 2], (first token, number of tokens) of each span, ascending.
        before: number of masks before it: the first mask is <mask_{before + 1}>.
        row: of the batch.
        at: position in the row.
        ids: control ids.
    """
    tokens, start = segments.tokens, segments.starts[segment]
    position = start
    for number in range(len(cuts)):
        at = copy(tokens, position, start + cuts[number, 0] - position, row, at)
        row[at] = ids.mask_1 + (before + number) * ids.mask_step
        position = start + cuts[number, 0] + cuts[number, 1]
        at += 1
    at = copy(tokens, position, start + segments.lengths[segment] - position, row, at)
    if segments.ends_document[segment]:
        row[at] = ids.end
        at += 1
    return at


@compiled()
def _weigh_masks(
    cuts: Numbers, loss_weights: Any, start: int, stop: int, weights: MaskWeights
) -> None:
    """Set the loss weights of the masks of a segment at positions `start` .. `stop - 1`."""
    hidden = 0
    for number in range(len(cuts)):
        loss_weights[start + cuts[number, 0] - hidden + number] = weights.body
        hidden += cuts[number, 1]
    at = stop
    for number in range(len(cuts) - 1, -1, -1):
        at -= cuts[number, 1] + 2
        loss_weights[at] = weights.answer


def split_segments(tokens: Numbers, segment_ids: npt.NDArray[np.int32]) -> list[Numbers]:
    """Return the tokens of each segment of a row without padding.

    Args:
        tokens: int64 [n], the row.
        segment_ids: int32 [n], the same row's segment ids, each in one piece.
    """
    bounds = [0, *(np.flatnonzero(np.diff(segment_ids)) + 1).tolist(), len(tokens)]
    return [tokens[start:stop] for start, stop in pairwise(bounds)]


def restore_segments(
    tokens: Numbers,
    segment_ids: npt.NDArray[np.int32],
    control: SpecialTokens,
    split: Callable[[Numbers], tuple[int, int]],
) -> Numbers:
    """Return the tokens that a row of `write_row` was made from.

    Args:
        tokens: int64 [n], the row without its padding.
        segment_ids: int32 [n], the same row's segment ids.
        control: the plan's control tokens.
        split: a segment of the row -> where its body ends, and where its spans begin.
    """
    restored = []
    for segment in split_segments(tokens, segment_ids):
        body, answers = split(segment)
        restored.append(put_back(segment[:body], segment[answers:], control))
    return np.concatenate(restored)


def put_back(body: Numbers, answers: Numbers, control: SpecialTokens) -> Numbers:
    """Return a segment with its spans in place of the masks: the inverse of `write_segment`.

    Args:
        body: int64 [n], with masks.
        answers: int64 [m], each mask, its span and <eom>.
        control: the plan's control tokens.
    """
    parts, position, start = [], 0, 0
    for number, stop in enumerate(np.flatnonzero(answers == control.eom).tolist(), start=1):
        mask = int(np.flatnonzero(body == control.mask(number))[0])
        parts += [body[position:mask], answers[start + 1 : stop]]
        position, start = mask + 1, stop + 1
    return np.concatenate([*parts, body[position:]])
