"""Compiled functions that the objectives share: copy, mark and pad positions of a row."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import FORGOTTEN, PADDING, Batch, Segments

FIXED = 32
"""Binary places of ratios: fixed-point numbers are the same on every machine."""


def fixed_point(ratio: float) -> int:
    """Return a ratio as an integer with FIXED binary places."""
    return round(ratio * (1 << FIXED))


_PADDING, _FORGOTTEN = np.int32(PADDING), np.int32(FORGOTTEN)


class Ids(NamedTuple):
    """Control ids in a form that compiled functions accept; -1 where the vocabulary has none."""

    end: int
    sep: int
    eom: int
    mask_1: int
    mask_step: int
    masks: int


def ids_of(control: SpecialTokens) -> Ids:
    """Return the control ids of a plan."""
    sep, eom, mask_1 = (-1 if i is None else i for i in (control.sep, control.eom, control.mask_1))
    return Ids(control.end, sep, eom, mask_1, control.mask_step, control.masks)


# A call that is not inlined costs as much as copying 50 tokens, and more with Segments as argument.


@compiled(inline=True)
def copy(tokens: npt.NDArray[Any], start: int, size: int, row: Any, at: int) -> int:
    """Write `size` tokens from `start` on at position `at` of a row; return where they end."""
    source, target = tokens[start : start + size], row[at : at + size]
    for i in range(len(source)):
        target[i] = source[i]
    return at + size


@compiled(inline=True)
def copy_segment(segments: Segments, segment: int, row: Any, at: int, end: int) -> int:
    """Write a segment, and its end token if it has one, at `at`; return where it ends."""
    at = copy(segments.tokens, segments.starts[segment], segments.lengths[segment], row, at)
    if segments.ends_document[segment]:
        row[at] = end
        at += 1
    return at


@compiled(inline=True)
def mark(loss_weights: Any, segment_ids: Any, start: int, stop: int, segment: int) -> None:
    """Give positions `start` .. `stop - 1` of a row loss weight 1 and a segment id."""
    number, ids = np.int32(segment), segment_ids[start:stop]
    for i in range(len(ids)):
        ids[i] = number
    weights = loss_weights[start:stop]
    for i in range(len(weights)):
        weights[i] = np.float32(1)


@compiled(inline=True)
def copy_sequence(segments: Segments, sequence: int, batch: Batch, at: int, end: int) -> int:
    """Write and mark all segments of a sequence from position `at` on; return where they end."""
    row, loss_weights = batch.tokens[sequence], batch.loss_weights[sequence]
    segment_ids = batch.segment_ids[sequence]
    first = segments.first[sequence]
    for segment in range(first, segments.first[sequence + 1]):
        start, at = at, copy_segment(segments, segment, row, at, end)
        mark(loss_weights, segment_ids, start, at, segment - first)
    return at


@compiled(inline=True)
def pad(segments: Segments, sequence: int, batch: Batch, used: int, end: int) -> None:
    """Write padding from position `used` on: end tokens of loss weight 0.

    As many positions at the row's end as a tombstone removed become FORGOTTEN.
    """
    if used < batch.tokens.shape[1]:
        _pad(segments, sequence, batch, used, end)


@compiled()
def _pad(segments: Segments, sequence: int, batch: Batch, used: int, end: int) -> None:
    forgotten = batch.tokens.shape[1] - segments.forgotten[sequence]
    batch.tokens[sequence, used:] = end
    batch.loss_weights[sequence, used:] = 0
    batch.segment_ids[sequence, used:forgotten] = _PADDING
    batch.segment_ids[sequence, forgotten:] = _FORGOTTEN
