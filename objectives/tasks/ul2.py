"""UL2's denoisers (arXiv 2205.05131, table 1), for a decoder.

R and X denoisers mask spans of a sequence's documents; S denoisers are Prefix-LM. The spans follow
the whole sequence, as in T5:

    [mode] gap <mask_1> gap <|endoftext|> gap <mask_2> <sep> <mask_1> span <mask_2> span <eom>

The positions up to <sep> are the prefix: they attend to each other and have no loss. Spans lie
inside documents; masks are numbered through the sequence. Each denoiser is an objective of its own,
because it determines how many tokens a sequence reserves: as many as spans of the denoiser's mean
length need.
"""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from manifests.config import Config
from manifests.prng.jit import compiled
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import FIXED, Ids, copy, ids_of, mark, pad
from objectives.tasks.objective import Objective, SpanObjective, require_below_vocabulary
from objectives.tasks.prefix_lm import fill_prefixed
from objectives.tasks.spans import longest, place_spans, share_spans, write_body

AROUND = 3
"""Control tokens beside those of spans, which take two each: a task token, <sep>, <eom>. Without a
task token its position is padding."""


class Settings(Config):
    """The token before a sequence."""

    mode: int | None = Field(default=None, ge=0)
    """Id of a token that names the task ([R], [S], [X] of UL2). Default: none; CodeGen2 observed
    "no notable differences" with task tokens (arXiv 2305.02309, section 3.3)."""


class Denoiser(SpanObjective[Settings]):
    """An R or X denoiser: masks spans, as many as the reserved tokens suffice for.

    Where a sequence has more documents than spans, its longest documents have one each, and the
    others are copied.

    Attributes:
        share: share of a document that is masked.
        mean: mean length of spans.
    """

    has_prefix = True
    settings_class = Settings
    share: ClassVar[float]
    mean: ClassVar[float]

    @classmethod
    def reserved_tokens(cls, count: int, length: int) -> list[int]:
        """Return what the spans of a sequence need, for each of `count` slots."""
        spans = (length - AROUND) * cls.share / (cls.mean + 2 * cls.share)
        return [AROUND + 2 * max(1, round(spans))] * count

    def check(self) -> None:
        """Raise UsageError if the vocabulary lacks <sep>, <eom>, masks or the task token."""
        super().check()
        require_below_vocabulary(self.control, "mode", self.settings.mode)

    def fill(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.fill`."""
        share, ids = round(self.share * (1 << FIXED)), ids_of(self.control)
        _fill(segments, sequences, batch, ids, share, _mode(self.settings))

    def restore(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row without a task token was made from."""
        used = super().restore(tokens, segment_ids)
        seps = np.flatnonzero(used == self.control.sep)
        if not len(seps):
            return used
        body, answers = used[: seps[0]], used[seps[0] + 1 : -1]
        parts, position = [], 0
        starts = np.flatnonzero(np.isin(answers, self.mask_ids)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(answers)], strict=True):
            mask = int(np.flatnonzero(body == answers[start])[0])
            parts += [body[position:mask], answers[start + 1 : stop]]
            position = mask + 1
        return np.concatenate([*parts, body[position:]])

    def filled_in(self, tokens: Numbers, segment_ids: SegmentIds) -> Mask:
        """Return which positions follow <sep>."""
        return np.cumsum(tokens == self.control.sep) > 0


class R3(Denoiser):  # noqa: D101
    name, share, mean = "ul2_r3", 0.15, 3.0


class R8(Denoiser):  # noqa: D101
    name, share, mean = "ul2_r8", 0.15, 8.0


class X3(Denoiser):  # noqa: D101
    name, share, mean = "ul2_x3", 0.5, 3.0


class X8(Denoiser):  # noqa: D101
    name, share, mean = "ul2_x8", 0.5, 8.0


class X64(Denoiser):  # noqa: D101
    name, share, mean = "ul2_x64", 0.15, 64.0


class X64Half(Denoiser):  # noqa: D101
    name, share, mean = "ul2_x64_half", 0.5, 64.0


class PrefixDenoiser(Objective[Settings]):
    """An S denoiser: copies the tokens behind a task token, and draws the length of the prefix.

    Attributes:
        low: least share of the positions in the prefix.
        high: largest share.
    """

    has_prefix = True
    settings_class = Settings
    low: ClassVar[float]
    high: ClassVar[float] = 1.0

    @classmethod
    def reserved_tokens(cls, count: int, length: int) -> list[int]:
        """Return 1 for each of `count` slots: the task token, or padding in its place."""
        return [1] * count

    def check(self) -> None:
        """Raise UsageError if the vocabulary lacks the task token."""
        require_below_vocabulary(self.control, "mode", self.settings.mode)

    def fill(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.fill`."""
        low, high = round(self.low * (1 << FIXED)), round(self.high * (1 << FIXED))
        end, mode = self.control.end, _mode(self.settings)
        fill_prefixed(segments, sequences, batch, end, low, high, mode)


class S(PrefixDenoiser):
    """Published: 75 % of a sequence on average. Ours: the widest uniform bounds with that mean."""

    name, low = "ul2_s", 0.5


class SHalf(PrefixDenoiser):
    """Published (arXiv 2305.02309, section 3.1.3): 50 % on average. Ours: the widest bounds."""

    name, low = "ul2_s_half", 0.0


DENOISERS: tuple[type[Denoiser], ...] = (R3, R8, X3, X8, X64, X64Half)
"""Published: (r, mu) of UL2's table 1."""

PREFIX_DENOISERS: tuple[type[PrefixDenoiser], ...] = (S, SHalf)


def _mode(settings: Settings) -> int:
    return -1 if settings.mode is None else settings.mode


@compiled()
def _fill(
    segments: Segments, sequences: Numbers, batch: Batch, ids: Ids, share: int, mode: int
) -> None:
    has_mode = int(mode >= 0)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        row, loss_weights = batch.tokens[sequence], batch.loss_weights[sequence]
        spare = max(segments.reserved_tokens[sequence] - 2 - has_mode, 0)
        most = min(spare // 2, ids.masks)
        kept = first + longest(segments.lengths[first:last], 2, most)
        counts, cuts = _draw_spans(segments, sequence, kept, share, most)
        used = done = number = 0
        if mode >= 0:
            row[0] = mode
            used = 1
        for segment in range(first, last):
            start, count = used, 0
            if number < len(kept) and kept[number] == segment:
                count = counts[number]
                number += 1
            spans = cuts[done : done + count]
            used = write_body(segments, segment, spans, done, row, used, ids)
            mark(loss_weights, batch.segment_ids[sequence], start, used, segment - first)
            done += count
        if done:
            start = used
            used = _write_answers(segments, kept, counts, cuts, batch, sequence, used, ids)
            batch.prefix[sequence] = start + 1
        if mode >= 0:
            batch.segment_ids[sequence, 0] = 0
        loss_weights[: max(batch.prefix[sequence], 1)] = 0
        pad(segments, sequence, batch, used, ids.end)


@compiled()
def _draw_spans(
    segments: Segments, sequence: int, kept: Numbers, share: int, most: int
) -> tuple[Numbers, Numbers]:
    """Draw the spans of a sequence.

    Returns:
        How many spans each kept segment has, int64 [k], and (first token, number of tokens) of each
        span, relative to its segment's start, one segment after the other: int64 [spans, 2].
    """
    lengths = segments.lengths[kept]
    masked, limits = np.empty(len(kept), np.int64), np.empty(len(kept), np.int64)
    for i in range(len(kept)):
        rounded = (share * lengths[i] + (1 << FIXED - 1)) >> FIXED
        masked[i] = max(rounded, 1)
        limits[i] = min(masked[i], lengths[i] - masked[i] + 1)
    counts = share_spans(most - len(kept), lengths, limits)
    cuts = np.empty((counts.sum(), 2), np.int64)
    place_spans(segments.keys[sequence], 0, lengths, masked, counts, cuts)
    return counts, cuts


@compiled()
def _write_answers(
    segments: Segments,
    kept: Numbers,
    counts: Numbers,
    cuts: Numbers,
    batch: Batch,
    sequence: int,
    at: int,
    ids: Ids,
) -> int:
    """Write <sep>, each mask with its span, and <eom>; return the position behind <eom>."""
    row: Any = batch.tokens[sequence]
    loss_weights, segment_ids = batch.loss_weights[sequence], batch.segment_ids[sequence]
    row[at] = ids.sep
    segment_ids[at] = segment_ids[at - 1]
    at += 1
    number = 0
    for i in range(len(kept)):
        start = at
        for _ in range(counts[i]):
            row[at] = ids.mask_1 + number * ids.mask_step
            source = segments.starts[kept[i]] + cuts[number, 0]
            at = copy(segments.tokens, source, cuts[number, 1], row, at + 1)
            number += 1
        at += int(i == len(kept) - 1)
        mark(loss_weights, segment_ids, start, at, kept[i] - segments.first[sequence])
    row[at - 1] = ids.eom
    return at
