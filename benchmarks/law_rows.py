"""Segments of rows, parsed from tokens and segment ids alone, as numbers that a law speaks of."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from objectives.tasks.batch import Batch, Segments
from objectives.tasks.fim import FillInTheMiddle
from objectives.tasks.objective import Objective

Table = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class ParsedSegments(NamedTuple):
    """Parsed segments.

    Attributes:
        lengths: int64 [S], tokens of the document.
        is_changed: bool [S], whether the objective changed the segment.
        numbers: int64 [S, n]. Spans: the columns of `law_samples.SUMMARY`. Fill in the middle:
            whether it looks like the order SPM, and both cuts. Zeros where nothing was changed.
        places: int64 [S], fill in the middle: places of a cut after the first one.
        rows: int64 [S], the sequence that a segment lies in.
    """

    lengths: Table
    is_changed: Flags
    numbers: Table
    places: Table
    rows: Table

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the segments of all parts; rows are numbered through."""
        firsts = np.cumsum([0, *(int(part.rows[-1]) + 1 for part in parts)])
        moved = [p._replace(rows=p.rows + f) for p, f in zip(parts, firsts, strict=False)]
        return cls._make(np.concatenate(columns) for columns in zip(*moved, strict=True))


class _Tokens(NamedTuple):
    """The positions of a batch that hold no padding, one row after the other.

    Attributes:
        tokens: int64 [n].
        segment: int64 [n], the segment of each, numbered through the batch.
        total: number of segments.
    """

    tokens: Table
    segment: Table
    total: int

    def numbers_of(self, flags: Flags) -> Table:
        """Return how many positions of each segment a flag names."""
        return np.bincount(self.segment[flags], minlength=self.total).astype(np.int64)

    def first(self, positions: Table) -> Table:
        """Return the first of ascending positions in each segment, or 0."""
        return self.last(positions[::-1])

    def last(self, positions: Table) -> Table:
        """Return the last of ascending positions in each segment, or 0."""
        result = np.zeros(self.total, np.int64)
        result[self.segment[positions]] = positions
        return result


def parsed(objective: Objective[Any], segments: Segments, batch: Batch) -> ParsedSegments:
    """Return the segments of a batch.

    Raises:
        ValueError: the rows do not hold as many tokens of the documents as the layout says.
    """
    used = batch.segment_ids >= 0
    numbers = (batch.segment_ids + segments.first[:-1, None])[used].astype(np.int64)
    tokens = _Tokens(batch.tokens[used], numbers, int(segments.first[-1]))
    rows = np.repeat(np.arange(len(batch.tokens)), np.diff(segments.first))
    if isinstance(objective, FillInTheMiddle):
        return _parsed_cuts(objective, segments, tokens, rows)
    at_row = np.broadcast_to(np.arange(len(used))[:, None], used.shape)[used]
    return _parsed_spans(objective, segments, tokens, rows, at_row)


def _parsed_spans(
    objective: Objective[Any], segments: Segments, tokens: _Tokens, rows: Table, at_row: Table
) -> ParsedSegments:
    """Return segments of which masks replace spans, and which answers follow, or the row's end."""
    control, ids = objective.control, tokens.tokens
    is_mask, is_eom = np.isin(ids, objective.mask_ids), ids == control.eom
    is_text = ~(is_mask | is_eom | (ids == control.sep) | (ids == control.end))
    at = np.arange(len(ids))
    if objective.has_prefix:  # <sep> of the row
        seps = np.full(int(at_row.max()) + 1, len(ids))
        seps[at_row[ids == control.sep]] = np.flatnonzero(ids == control.sep)
        is_answer = at > seps[at_row]
    else:  # the second <mask_1> of the segment
        second = np.full(tokens.total, len(ids))
        starts = np.flatnonzero(ids == control.mask_1)[1::2]
        second[tokens.segment[starts]] = starts
        is_answer = at >= second[tokens.segment]
    masks, answers = np.flatnonzero(is_mask & ~is_answer), np.flatnonzero(is_mask & is_answer)
    number, masked = tokens.numbers_of(is_mask & ~is_answer), tokens.numbers_of(is_text & is_answer)
    lengths, changed = tokens.numbers_of(is_text), number > 0
    if not np.array_equal(lengths, segments.lengths):
        raise ValueError("rows do not hold the tokens of their segments")
    if not np.array_equal(number, tokens.numbers_of(is_mask & is_answer)):
        raise ValueError("a span has no mask, or a mask has no span")
    inside = np.flatnonzero((is_mask | is_text) & ~is_answer)
    start = tokens.first(masks) - tokens.first(inside)
    bounds = np.append(np.flatnonzero(is_mask | is_eom), len(ids))
    first_answer = tokens.first(answers)
    size = bounds[np.searchsorted(bounds, first_answer, side="right")] - first_answer - 1
    end = lengths - (tokens.last(inside) - tokens.last(masks))
    columns = np.stack([number, masked, start, size, end], axis=1) * changed[:, None]
    return ParsedSegments(lengths, changed, columns, np.zeros_like(lengths), rows)


def _parsed_cuts(
    objective: FillInTheMiddle, segments: Segments, tokens: _Tokens, rows: Table
) -> ParsedSegments:
    """Return segments of which the middle may be at the end; cuts are counted in characters."""
    front, after, moved = objective.sentinels
    ids = tokens.tokens
    is_text = ~np.isin(ids, [front, after, moved, objective.control.end])
    characters = is_text.astype(np.int64)
    if objective.splits is not None:
        characters[is_text] = objective.splits.characters[ids[is_text]]
    before = np.concatenate([[0], np.cumsum(characters)])
    at = np.arange(len(ids))
    first, last = tokens.first(at), tokens.last(at)
    suffix, middle = (tokens.first(np.flatnonzero(ids == sentinel)) for sentinel in (after, moved))
    places = before[last + 1] - before[first]
    changed = tokens.numbers_of(ids == front) > 0
    head = before[suffix] - before[first]
    second = places - (before[middle] - before[suffix])
    looks_spm = suffix == first + 1
    columns = np.stack([looks_spm.astype(np.int64), head, second], axis=1) * changed[:, None]
    return ParsedSegments(segments.lengths, changed, columns, places, rows)
