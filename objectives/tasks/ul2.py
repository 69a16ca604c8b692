"""UL2's denoisers (arXiv 2205.05131, table 1), for a decoder.

R and X take spans out of a sequence's documents, S is Prefix-LM. What was taken out follows the
whole sequence, as in T5:

    [mode] gap <mask_1> gap <|endoftext|> gap <mask_2> <sep> <mask_1> span <mask_2> span <eom>

Up to <sep> it is prefix: seen from all its positions, and not learned. Spans stay inside documents,
masks count through the sequence. Each denoiser is an objective of its own, for each needs its own
number of control ids: a sequence's spans are as many as its allowance pays for, which is chosen so
that they have the denoiser's mean length.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.config import Config
from manifests.prng.jit import compiled
from manifests.special_tokens import SpecialTokens
from objectives.tasks import prefix_lm
from objectives.tasks.batch import Batch, Rows, Segments
from objectives.tasks.kernels import FIXED, Ids, copy, ids_of, mark, pad
from objectives.tasks.spans import cut, deal, longest, write_body

Numbers = npt.NDArray[np.int64]

AROUND = 3
"""Control ids beside those of spans, which take two each: a task token, <sep>, <eom>. Without a
task token its place is padding."""


class Mode(Config):
    """What may stand before a sequence."""

    mode: int | None = Field(default=None, ge=0)
    """Id of a token that names the task ([R], [S], [X] of UL2). None by default: CodeGen2 saw "no
    notable differences" with them (arXiv 2305.02309, section 3.3)."""


class Denoiser(NamedTuple):
    """What R and X denoisers differ in: the share that is masked, and the spans' mean length."""

    share: float
    mean: float

    def reserved_tokens(self, count: int, length: int) -> list[int]:
        """Return the allowance of each of `count` slots: what the spans of a sequence cost."""
        spans = (length - AROUND) * self.share / (self.mean + 2 * self.share)
        return [AROUND + 2 * max(1, round(spans))] * count

    def fill(
        self,
        segments: Segments,
        sequences: Numbers,
        batch: Batch,
        control: SpecialTokens,
        settings: Mode,
    ) -> None:
        """Take spans out of some sequences, into their rows of a batch.

        Where there are more documents than spans, the longest have one; the rest is copied.
        """
        share, mode = round(self.share * (1 << FIXED)), settings.mode
        _fill(segments, sequences, batch.rows, ids_of(control), share, -1 if mode is None else mode)


class PrefixLm(NamedTuple):
    """S denoisers: the longest and the shortest prefix, as shares of the sequence."""

    low: float
    high: float

    def reserved_tokens(self, count: int, length: int) -> list[int]:
        """Return 1 for each of `count` slots: the task token, or padding in its place."""
        return [1] * count

    def fill(
        self,
        segments: Segments,
        sequences: Numbers,
        batch: Batch,
        control: SpecialTokens,
        settings: Mode,
    ) -> None:
        """Copy some sequences into their rows of a batch, and draw the prefix of each."""
        ratios = prefix_lm.Settings(ratio_low=self.low, ratio_high=self.high)
        prefix_lm.fill_after(segments, sequences, batch, control, ratios, settings.mode)


DENOISERS = {
    "ul2_r3": Denoiser(0.15, 3),
    "ul2_r8": Denoiser(0.15, 8),
    "ul2_x3": Denoiser(0.5, 3),
    "ul2_x8": Denoiser(0.5, 8),
    "ul2_x64": Denoiser(0.15, 64),
    "ul2_x64_half": Denoiser(0.5, 64),
}
"""UL2's R and X denoisers: (r, mu) of table 1."""

PREFIXES = {"ul2_s": PrefixLm(0.5, 1.0), "ul2_s_half": PrefixLm(0.0, 1.0)}
"""S: a prefix of 75 % on average, as UL2 has it, and of 50 %, as CodeGen2 simplified it (arXiv
2305.02309, section 3.3). Neither paper gives the bounds; uniform ones with that mean, as wide as
the sequence allows."""

SIMPLIFIED = {"ul2_s_half": 0.5, **{name: 0.5 / len(DENOISERS) for name in DENOISERS}}
"""CodeGen2's simplification: half of the sequences are S, "(14% to 50%)", the rest the others'."""


@compiled()
def _fill(
    segments: Segments, sequences: Numbers, rows: Rows, ids: Ids, share: int, mode: int
) -> None:
    has_mode = int(mode >= 0)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        row, weights = rows.tokens[sequence], rows.loss_weights[sequence]
        most = min(max(segments.reserved_tokens[sequence] - 2 - has_mode, 0) // 2, ids.masks)
        kept = longest(segments.lengths[first:last], 2, most)
        counts, cuts = _spans(segments, sequence, kept, share, most)
        used = drawn = turn = 0
        if mode >= 0:
            row[0] = mode
            used = 1
        for segment in range(first, last):
            start, count = used, 0
            if turn < len(kept) and first + kept[turn] == segment:
                count = counts[turn]
                turn += 1
            mine = cuts[drawn : drawn + count]
            used = write_body(segments, segment, mine, drawn, row, used, ids)
            mark(weights, rows.segment_ids[sequence], start, used, segment - first)
            drawn += count
        if drawn:
            start = used
            used = _answers(segments, first + kept, counts, cuts, rows, sequence, used, ids)
            rows.prefix[sequence] = start + 1
        if mode >= 0:
            rows.segment_ids[sequence, 0] = 0
        weights[: max(rows.prefix[sequence], 1)] = 0
        pad(segments, sequence, rows, used, ids.end)


@compiled()
def _spans(
    segments: Segments, sequence: int, kept: Numbers, share: int, most: int
) -> tuple[Numbers, Numbers]:
    """Draw the spans of a sequence: how many each kept segment has, int64 [k], and all of them.

    These are int64 [spans, 2]: (first token, tokens) from their segment's start, in order.
    """
    lengths = segments.lengths[segments.first[sequence] + kept]
    masked, limits = np.empty(len(kept), np.int64), np.empty(len(kept), np.int64)
    for i in range(len(kept)):
        rounded = (share * lengths[i] + (1 << FIXED - 1)) >> FIXED
        masked[i] = max(rounded, 1)
        limits[i] = min(masked[i], lengths[i] - masked[i] + 1)
    counts = deal(most - len(kept), lengths, limits)
    cuts = np.empty((counts.sum(), 2), np.int64)
    index = done = 0
    for i in range(len(kept)):
        mine = cuts[done : done + counts[i]]
        index = cut(segments.keys[sequence], index, lengths[i], masked[i], mine)
        done += counts[i]
    return counts, cuts


@compiled()
def _answers(
    segments: Segments,
    kept: Numbers,
    counts: Numbers,
    cuts: Numbers,
    rows: Rows,
    sequence: int,
    at: int,
    ids: Ids,
) -> int:
    """Write <sep>, each mask with its span, <eom>, behind all bodies; return where it ends."""
    row, weights = rows.tokens[sequence], rows.loss_weights[sequence]
    documents = rows.segment_ids[sequence]
    row[at] = ids.sep
    documents[at] = documents[at - 1]
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
        mark(weights, documents, start, at, kept[i] - segments.first[sequence])
    row[at - 1] = ids.eom
    return at


def restore(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int32], control: SpecialTokens
) -> npt.NDArray[np.int64]:
    """Return the addresses that a row without a task token was made from: the inverse of `fill`.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        control: the plan's control ids.
    """
    used = tokens[: np.count_nonzero(documents >= 0)]
    seps = np.flatnonzero(used == control.sep)
    if not len(seps):
        return used
    body, answers = used[: seps[0]], used[seps[0] + 1 : -1]
    pieces, position = [], 0
    masks = [control.mask(number) for number in range(1, control.masks + 1)]
    starts = np.flatnonzero(np.isin(answers, masks)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(answers)], strict=True):
        mask = int(np.flatnonzero(body == answers[start])[0])
        pieces += [body[position:mask], answers[start + 1 : stop]]
        position = mask + 1
    return np.concatenate([*pieces, body[position:]])
