"""Spans: how many, where, and a segment with its spans taken out."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import subset
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Segments
from objectives.tasks.kernels import Ids, copy

Numbers = npt.NDArray[np.int64]


def thinned(table: Sequence[int], count: int) -> list[int]:
    """Return `count` entries of a table, evenly apart."""
    return [table[(2 * i + 1) * len(table) // (2 * count)] for i in range(count)]


def spread(table: Sequence[int], cost: int, count: int, length: int) -> list[int]:
    """Return the allowances of `count` slots: a table's, thinned evenly and scaled.

    Args:
        table: allowances of sequences of 2,048 positions.
        cost: what they are multiples of.
        count: of slots.
        length: positions of a sequence.
    """
    return [cost * max(1, round(h * length / 2048 / cost)) for h in thinned(table, count)]


@compiled()
def longest(lengths: Numbers, shortest: int, most: int) -> Numbers:
    """Return the numbers of the `most` longest that are not too short, ascending.

    The first are taken among equals.
    """
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
            kept[at] = i
            at += 1
    return kept


@compiled()
def deal(extra: int, lengths: Numbers, limits: Numbers) -> Numbers:
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


@compiled()
def cut(key: np.uint64, index: int, length: int, masked: int, cuts: Numbers) -> int:
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
    composition(key, index, masked, sizes)
    composition(key, index + count - 1, length - masked + 2, gaps)
    at = -1
    for i in range(count):
        at += gaps[i]
        cuts[i, 0], cuts[i, 1] = at, sizes[i]
        at += sizes[i]
    return index + 2 * count - 1


@compiled()
def composition(key: np.uint64, index: int, total: int, parts: Numbers) -> None:
    """Write numbers above 0 that sum to `total`, all such lists equally likely.

    It takes len(parts) - 1 numbers of `key`, from `index` on.
    """
    last = len(parts) - 1
    subset(key, index, last, total - 1, parts)
    parts[last] = total - 1
    for i in range(last, 0, -1):
        parts[i] -= parts[i - 1]
    parts[0] += 1


@compiled(inline=True)
def write_body(
    segments: Segments, segment: int, cuts: Numbers, before: int, row: Any, at: int, ids: Ids
) -> int:
    """Write a segment with masks in place of its spans; return where it ends.

    Args:
        segments: the batch's.
        segment: which one.
        cuts: int64 [spans, 2]: (first token, tokens) of each, ascending; any number, or none.
        before: how many masks stand before it.
        row: of the batch.
        at: where in the row.
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
def take_out(segments: Segments, segment: int, cuts: Numbers, row: Any, at: int, ids: Ids) -> int:
    """Write a segment, masks in place of its spans, then them, each behind its mask.

    Args:
        segments: the batch's.
        segment: which one.
        cuts: int64 [spans, 2]: (first token, tokens) of each, ascending.
        row: of the batch.
        at: where in the row.
        ids: control ids; where there is no `sep`, none stands before the spans.

    Returns:
        Where it ends.
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


@compiled()
def weigh_masks(cuts: Numbers, weights: npt.NDArray[np.float32], start: int, weight: float) -> None:
    """Give the masks in a body that begins at `start` their loss weight."""
    hidden = 0
    for number in range(len(cuts)):
        weights[start + cuts[number, 0] - hidden + number] = weight
        hidden += cuts[number, 1]


def documents_of(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int32]
) -> list[npt.NDArray[np.int64]]:
    """Return the tokens of each document of a row, padding left out.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents, each in one piece.
    """
    used = int(np.count_nonzero(documents >= 0))
    bounds = [0, *(np.flatnonzero(np.diff(documents[:used])) + 1).tolist(), used]
    return [tokens[start:stop] for start, stop in pairwise(bounds)]


def restored(
    tokens: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    control: SpecialTokens,
    split: Callable[[npt.NDArray[np.int64]], tuple[int, int]],
) -> npt.NDArray[np.int64]:
    """Return the addresses that a row was made from.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        control: the plan's control ids.
        split: a document of the row -> where its body ends, and where its spans begin.
    """
    pieces = []
    for part in documents_of(tokens, documents):
        body, answers = split(part)
        pieces.append(put_back(part[:body], part[answers:], control))
    return np.concatenate(pieces)


def put_back(
    body: npt.NDArray[np.int64], answers: npt.NDArray[np.int64], control: SpecialTokens
) -> npt.NDArray[np.int64]:
    """Return a document whose spans were taken out: the inverse of `take_out`.

    Args:
        body: int64 [n], with masks.
        answers: int64 [m], what follows it: each mask, its span, <eom>.
        control: the plan's control ids.
    """
    pieces, position, start = [], 0, 0
    for number, stop in enumerate(np.flatnonzero(answers == control.eom).tolist(), start=1):
        mask = int(np.flatnonzero(body == control.mask(number))[0])
        pieces += [body[position:mask], answers[start + 1 : stop]]
        position, start = mask + 1, stop + 1
    return np.concatenate([*pieces, body[position:]])
