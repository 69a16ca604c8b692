"""UL2's denoisers (arXiv 2205.05131, table 1), for a decoder.

R and X denoisers mask spans of a sequence's documents; S denoisers are causal language modeling
with a prefix. The spans follow the whole sequence, as in T5:

    gap <mask_1> gap <|endoftext|> gap <mask_2> <sep> <mask_1> span <mask_2> span <eom>

The positions up to <sep> are the prefix: they attend to each other and have no loss. Spans lie
inside documents; masks are numbered through the sequence. Each denoiser is an objective of its own.
R, X and S are the tasks that UL2's task tokens name.

The law is that of T5's `random_spans_noise_mask`: a segment of n tokens masks round(r n) of them in
round(masked / mean) spans, at least one each; the lengths of spans and of gaps are uniform over all
ways to divide the tokens. T5 begins with a gap and ends with a span; here any gap at an end may be
empty.
"""

from math import ceil
from typing import Any, ClassVar

import numpy as np

from manifests.prng.jit import compiled
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.causal_lm import CausalLM
from objectives.tasks.kernels import FIXED, Ids, copy, ids_of, mark, pad
from objectives.tasks.law import DENOISER, Law
from objectives.tasks.objective import NoSettings, SpanObjective
from objectives.tasks.spans import composition, place_spans, write_body

SHORTEST = 2
"""Segments of fewer tokens stay plain: a span and a token beside it. As in T5."""

_MEAN = 16
"""Binary places of the mean length of spans."""


class Denoiser(SpanObjective[NoSettings]):
    """An R or X denoiser: masks spans of each segment.

    Attributes:
        share: share of a document that is masked.
        mean: mean length of spans.
    """

    settings_class = NoSettings
    prompt_tail = 1
    """The mask that the model answers is behind <sep>."""
    share: ClassVar[float]
    mean: ClassVar[float]

    @property
    def law(self) -> Law:
        """Two control tokens for each span; <sep> and <eom> for the sequence."""
        return Law(
            DENOISER,
            sequence_tokens=2,
            shortest=SHORTEST,
            rate=ceil(self.share * (1 << FIXED)),  # so that halves are rounded up
            mean=round(self.mean * (1 << _MEAN)),
            masks=self.control.masks,
        )

    def write(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.write`."""
        law, ids = self.law, ids_of(self.control)
        _fill(segments, sequences, batch, ids, law.rate, law.mean)

    def undo(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row was made from; see `Objective.undo`."""
        seps = np.flatnonzero(tokens == self.control.sep)
        if not len(seps):
            return tokens
        body, answers = tokens[: seps[0]], tokens[seps[0] + 1 : -1]
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
    name, task, share, mean = "ul2_r3", "ul2_r", 0.15, 3.0


class R8(Denoiser):  # noqa: D101
    name, task, share, mean = "ul2_r8", "ul2_r", 0.15, 8.0


class X3(Denoiser):  # noqa: D101
    name, task, share, mean = "ul2_x3", "ul2_x", 0.5, 3.0


class X8(Denoiser):  # noqa: D101
    name, task, share, mean = "ul2_x8", "ul2_x", 0.5, 8.0


class X64(Denoiser):  # noqa: D101
    name, task, share, mean = "ul2_x64", "ul2_x", 0.15, 64.0


class X64Half(Denoiser):  # noqa: D101
    name, task, share, mean = "ul2_x64_half", "ul2_x", 0.5, 64.0


class S(CausalLM):
    """Published: 75 % of a sequence on average. Ours: the widest uniform bounds with that mean."""

    name, task, prefix_ratios = "ul2_s", "ul2_s", (0.5, 1.0)


class SHalf(CausalLM):
    """Published (arXiv 2305.02309, section 3.1.3): 50 % on average. Ours: the widest bounds."""

    name, task, prefix_ratios = "ul2_s_half", "ul2_s", (0.0, 1.0)


DENOISERS: tuple[type[Denoiser], ...] = (R3, R8, X3, X8, X64, X64Half)
"""Published: (r, mu) of UL2's table 1."""

PREFIX_DENOISERS: tuple[type[CausalLM], ...] = (S, SHalf)


@compiled()
def denoised(length: int, rate: int, mean: int) -> tuple[int, int]:
    """Return how many tokens of a segment are masked, and in how many spans.

    Args:
        length: of the segment, at least 2.
        rate: share that is masked, in fixed point.
        mean: mean length of a span, in fixed point.
    """
    masked = min(max((rate * length + (1 << FIXED - 1)) >> FIXED, 1), length - 1)
    spans = ((masked << _MEAN + 1) + mean) // (2 * mean)
    return masked, min(max(spans, 1), masked, length - masked + 1)


@compiled()
def _fill(
    segments: Segments,
    sequences: Numbers,
    batch: Batch,
    ids: Ids,
    rate: int,
    mean: int,
) -> None:
    room = batch.tokens.shape[1]
    cuts, counts = np.empty((room // 2 + 1, 2), np.int64), np.empty(room + 1, np.int64)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        row, loss_weights = batch.tokens[sequence], batch.loss_weights[sequence]
        used = done = 0
        for segment in range(first, last):
            start, count = used, segments.control_tokens[segment] // 2
            counts[segment - first] = count
            spans = cuts[done : done + count]
            if count:
                key, length = segments.keys[segment], segments.lengths[segment]
                sizes = np.empty(count, np.int64)
                composition(key, 0, denoised(length, rate, mean)[0], sizes)
                place_spans(key, count - 1, length, sizes, spans)
            used = write_body(segments, segment, spans, done, row, used, ids)
            mark(loss_weights, batch.segment_ids[sequence], start, used, segment - first)
            done += count
        if done:
            start = used
            used = _write_answers(segments, counts, cuts[:done], batch, sequence, used, ids)
            batch.prefix[sequence] = start + 1
        loss_weights[: max(batch.prefix[sequence], 1)] = 0
        pad(segments, sequence, batch, used, ids.end)


@compiled()
def _write_answers(
    segments: Segments,
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
    first, number = segments.first[sequence], 0
    for segment in range(first, segments.first[sequence + 1]):
        start = at
        for _ in range(counts[segment - first]):
            row[at] = ids.mask_1 + number * ids.mask_step
            source = segments.starts[segment] + cuts[number, 0]
            at = copy(segments.tokens, source, cuts[number, 1], row, at + 1)
            number += 1
        # <eom> belongs to the segment of the last span.
        at += int(number == len(cuts) and at > start)
        mark(loss_weights, segment_ids, start, at, segment - first)
    row[at - 1] = ids.eom
    return at
