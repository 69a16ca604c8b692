"""Fill in the middle (Bavarian et al., arXiv 2207.14255): a document's middle moves to its end.

    PSM  <fim_prefix> prefix <fim_suffix> suffix <fim_middle> middle <|endoftext|>
    SPM  <fim_prefix> <fim_suffix> suffix <fim_middle> prefix middle <|endoftext|>

Both cuts are uniform over a document's characters. A cut inside a token replaces that token by the
tokens of its two parts, which have the same bytes; other tokens stay. The objective acts on the
documents of a sequence ("context level" in the paper). The cuts are drawn before a segment gets its
positions, so the control tokens and the additional tokens of cut tokens have room, and nothing is
truncated.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from manifests.config import Config
from manifests.errors import UsageError
from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import FIXED, copy, copy_segment, fixed_point, mark, pad
from objectives.tasks.law import CUTS, Law
from objectives.tasks.law import Numbers as LawNumbers
from objectives.tasks.objective import Objective, behind
from objectives.tasks.spans import split_segments
from objectives.tasks.token_splits import (
    NO_SPLITS,
    TokenSplits,
    cut_at_characters,
    draw_cuts,
    make_splits,
)

COST = 3
"""Control tokens of a document: <fim_prefix>, <fim_suffix>, <fim_middle>."""

TRIES = 32
"""How often cuts are drawn again that lie behind the end of the sequence. Ours: one pair in a
hundred does."""


class Settings(Config):
    """Settings that Bavarian et al. publish, and those that they leave open."""

    rate: float = Field(default=0.5, ge=0, le=1)
    """Probability that a segment is rearranged. Published: 0.5, as `--fim-rate` of SantaCoder and
    StarCoder."""
    spm_rate: float = Field(default=0.5, ge=0, le=1)
    """Share of the rearranged documents in the order SPM. Published: 0.5."""
    level: Literal["character", "token"] = "character"
    """Where cuts may fall. Published: characters. With cuts between tokens alone, a model never
    sees the partial tokens of a cursor inside a word."""
    shortest: int = Field(default=8, ge=1)
    """Segments of fewer tokens stay plain. Ours: three control tokens would outweigh it."""
    sentinels: tuple[int, int, int] | None = None
    """Ids of prefix, suffix and middle. By default those of <fim_prefix>, <fim_suffix> and
    <fim_middle> in the vocabulary. Published: StarCoder's names, which CodeGen2.5's vocabulary has.
    CodeGen2's has none of them; its <dummy_0> to <dummy_3> are unused."""


class FillInTheMiddle(Objective[Settings]):
    """Moves the middle of some segments to their end, and copies the others."""

    name = "fim"
    settings_class = Settings
    splits: TokenSplits | None = None

    @property
    def law(self) -> Law:
        """Three control tokens, and the additional tokens of cut tokens."""
        settings = self.settings
        rate = fixed_point(settings.rate)
        return Law(CUTS, shortest=settings.shortest, cost=COST, rate=rate, splits=self.splits)

    @property
    def sentinels(self) -> tuple[int, int, int]:
        """Ids of prefix, suffix and middle.

        Raises:
            UsageError: neither the settings nor the vocabulary name them, one of the ids is not
                below the vocabulary, or two of them or the end token are equal.
        """
        control = self.control
        named = (control.fim_prefix, control.fim_suffix, control.fim_middle)
        prefix, suffix, middle = self.settings.sentinels or named
        if prefix is None or suffix is None or middle is None:
            raise UsageError(
                "<fim_prefix>, <fim_suffix> and <fim_middle> are not in the tokenizer's "
                "vocabulary; `sentinels`, in [data.settings.fim] of a RUN.toml, can name other "
                "ids, and its run's plan.json contains them"
            )
        if not all(0 <= number < control.vocabulary for number in (prefix, suffix, middle)):
            raise UsageError(f"sentinels: ids must be below the vocabulary, {control.vocabulary}")
        if len({prefix, suffix, middle, control.end}) < 4:
            raise UsageError(
                f"sentinels: ({prefix}, {suffix}, {middle}) must be three tokens besides the end "
                f"token ({control.end})"
            )
        return prefix, suffix, middle

    def check(self) -> None:
        """Raise UsageError if neither settings nor vocabulary name the sentinels."""
        _ = self.sentinels

    def prepare(self, tokenizer: str | None) -> None:
        """Load the parts of all tokens, for the level "character"; see `Objective.prepare`.

        Raises:
            UsageError: `tokenizer` is None, or is no byte-level BPE.
        """
        if self.settings.level == "token":
            return
        if tokenizer is None:
            raise UsageError("needs the tokenizer.json of the datasets")
        self.splits = make_splits(tokenizer)

    def write(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch; see `Objective.write`."""
        spm_rate = fixed_point(self.settings.spm_rate)
        chosen = _Settings(self.control.end, *self.sentinels, spm_rate, self.splits is None)
        _fill(segments, sequences, batch, chosen, self.splits or NO_SPLITS)

    def undo(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens that a row was made from; a cut token is two tokens of the same bytes.

        See `Objective.undo`.
        """
        prefix, suffix, middle = self.sentinels
        parts = []
        for segment in split_segments(tokens, segment_ids):
            if not len(segment) or segment[0] != prefix:
                parts.append(segment)
                continue
            after, moved = (int(np.flatnonzero(segment == i)[0]) for i in (suffix, middle))
            stop = len(segment) - int(segment[-1] == self.control.end)
            front, back = segment[1:after], segment[after + 1 : moved]
            # In the order SPM the front stands at the end, right before the middle.
            parts += [front, segment[moved + 1 : stop], back, segment[stop:]]
        return np.concatenate(parts)

    def filled_in(self, tokens: Numbers, segment_ids: SegmentIds) -> Mask:
        """Return which positions follow a document's <fim_middle>."""
        return behind(np.flatnonzero(tokens == self.sentinels[2]), segment_ids)

    @property
    def mask_ids(self) -> list[int]:
        """The three sentinels."""
        return list(self.sentinels)

    def gap_prompt(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int]:
        """Return <fim_prefix> prefix <fim_suffix> suffix <fim_middle>."""
        front, after, middle = self.sentinels
        return [front, *prefix, after, *suffix, middle]


class _Settings(NamedTuple):
    """The control ids and the settings, the rate in fixed point."""

    end: int
    prefix: int
    suffix: int
    middle: int
    spm_rate: int
    between_tokens: bool


@compiled(inline=True)
def is_drawn(key: np.uint64, rate: int) -> bool:
    """Return whether the segment of a key is rearranged."""
    return below(draw(key, 0), 1 << FIXED) < rate


@compiled()
def fit_rearranged(
    law: LawNumbers,
    key: np.uint64,
    tokens: Any,
    start: int,
    left: int,
    ends: int,
    room: int,
    splits: TokenSplits,
    cuts: Numbers,
) -> tuple[int, int]:
    """Return how many tokens of a rearranged document fit in a sequence, and its control tokens.

    Args:
        law: of the objective.
        key: of the segment.
        tokens: of the unit.
        start: first token of the document.
        left: number of tokens of the document.
        ends: 1 if an end token follows them, else 0.
        room: positions that are left in the sequence.
        splits: parts of tokens.
        cuts: int64 [4], for the cuts of `draw_cuts`.
    """
    plain = min(left, room, law.shortest - 1)
    if left < law.shortest:
        return plain, 0
    size = left
    if left + ends + law.cost <= room:
        grown = law.cost + draw_cuts(tokens[start : start + left], key, 2, splits, cuts)
        if left + ends + grown <= room:
            return left, grown
    size = min(left, room - law.cost)
    if size < law.shortest:
        return plain, 0
    for attempt in range(TRIES):
        # The cuts are those of the tokens that would fit between the control tokens; what they add
        # is taken from the end, behind the cuts.
        drawn = tokens[start : start + size]
        grown = law.cost + draw_cuts(drawn, key, 2 + 2 * attempt, splits, cuts)
        fits = min(size, room - grown)
        is_inside = cuts[2] < fits or (cuts[2] == fits and cuts[3] == 0)
        if fits >= law.shortest and is_inside:
            return fits, grown
    return plain, 0


@compiled()
def _fill(
    segments: Segments,
    sequences: Numbers,
    batch: Batch,
    settings: _Settings,
    splits: TokenSplits,
) -> None:
    work = np.empty(batch.tokens.shape[1] + 2 * splits.longest, np.int64)
    for sequence in sequences:
        row, loss_weights = batch.tokens[sequence], batch.loss_weights[sequence]
        segment_ids = batch.segment_ids[sequence]
        first, used = segments.first[sequence], 0
        for segment in range(first, segments.first[sequence + 1]):
            start = used
            if segments.control_tokens[segment]:
                used = _write_rearranged(segments, segment, row, used, settings, splits, work)
            else:
                used = copy_segment(segments, segment, row, used, settings.end)
            mark(loss_weights, segment_ids, start, used, segment - first)
        loss_weights[0] = 0
        pad(segments, sequence, batch, used, settings.end)


@compiled()
def _write_rearranged(
    segments: Segments,
    segment: int,
    row: Any,
    at: int,
    settings: _Settings,
    splits: TokenSplits,
    work: Numbers,
) -> int:
    """Write a document with its middle at its end; return the position behind the document.

    Args:
        segments: of the batch.
        segment: the document.
        row: of the batch.
        at: position in the row.
        settings: control ids and settings.
        splits: parts of tokens.
        work: int64 [any], for the document with its cut tokens.
    """
    start, size, key = segments.starts[segment], segments.lengths[segment], segments.keys[segment]
    tokens = segments.tokens[start : start + size]
    if settings.between_tokens:
        one, other = below(draw(key, 2), size + 1), below(draw(key, 3), size + 1)
        low, high = min(one, other), max(one, other)
        total = copy(tokens, 0, size, work, 0)
    else:
        low, high, total = cut_at_characters(tokens, segments.details[segment], splits, work)
    is_spm = below(draw(key, 1), 1 << FIXED) < settings.spm_rate
    row[at] = settings.prefix
    at += 1
    if not is_spm:
        at = copy(work, 0, low, row, at)
    row[at] = settings.suffix
    at = copy(work, high, total - high, row, at + 1)
    row[at] = settings.middle
    if is_spm:
        at = copy(work, 0, low, row, at + 1) - 1
    at = copy(work, low, high - low, row, at + 1)
    if segments.ends_document[segment]:
        row[at] = settings.end
        at += 1
    return at
