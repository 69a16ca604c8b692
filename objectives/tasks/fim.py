"""Fill in the middle (Bavarian et al., arXiv 2207.14255): a document's middle moves to its end.

    PSM  <fim_prefix> prefix <fim_suffix> suffix <fim_middle> middle <|endoftext|>
    SPM  <fim_prefix> <fim_suffix> suffix <fim_middle> prefix middle <|endoftext|>

Both cuts are uniform over a document's characters: one that falls inside a token replaces that
token, and no other, by the tokens of its two halves, which have the same bytes. It is applied to
documents as they lie in a sequence ("context level"), and the control ids and the halves are paid
from the sequence's allowance, so nothing is ever cut off.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from manifests.config import Config
from manifests.errors import UsageError
from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import below, derive, draw
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Rows, Segments
from objectives.tasks.kernels import FIXED, copy, copy_segment, mark, pad
from objectives.tasks.spans import documents_of, longest, spread
from objectives.tasks.token_splits import Halves, make_halves

Numbers = npt.NDArray[np.int64]

ALLOWANCES = (6, 9, 12, 21)
"""Positions of a sequence of 2,048 set aside for control ids and halves: two files share a sequence
as a rule, every other one is rearranged, and costs 3 control ids and 2 or 3 tokens of halves."""

COST = 3
"""Control ids of a document: <fim_prefix>, <fim_suffix>, <fim_middle>."""


class Settings(Config):
    """What Bavarian et al. publish, and what they leave open."""

    rate: float = Field(default=0.5, ge=0, le=1)
    """Share of the documents that are rearranged: their joint training, and SantaCoder's and
    StarCoder's `--fim-rate`."""
    spm_rate: float = Field(default=0.5, ge=0, le=1)
    """Share of those that are in the order SPM: as published."""
    level: Literal["character", "token"] = "character"
    """Where cuts may fall. Characters, as published: at token boundaries alone a model never sees
    the broken tokens that a cursor in the middle of a word makes."""
    shortest: int = Field(default=8, ge=1)
    """Documents of fewer tokens stay plain: three control ids would outweigh what they teach."""
    sentinels: tuple[int, int, int] | None = None
    """Ids of prefix, suffix and middle. By default <fim_prefix>, <fim_suffix> and <fim_middle> of
    the vocabulary; CodeGen2's has none, but has <dummy_0> to <dummy_3> to spare."""


class _Ids(NamedTuple):
    end: int
    prefix: int
    suffix: int
    middle: int


class _Chosen(NamedTuple):
    """Settings, the rates as fixed-point numbers."""

    rate: int
    spm_rate: int
    shortest: int


def sentinels_of(control: SpecialTokens, settings: Settings) -> tuple[int, int, int]:
    """Return the ids of prefix, suffix and middle.

    Raises:
        UsageError: neither the settings nor the vocabulary name them, or one is unknown to it.
    """
    named = (control.fim_prefix, control.fim_suffix, control.fim_middle)
    prefix, suffix, middle = settings.sentinels or named
    if prefix is None or suffix is None or middle is None:
        raise UsageError(
            "<fim_prefix>, <fim_suffix> and <fim_middle> are not in the tokenizer's vocabulary; "
            "`sentinels`, in [data.settings.fim] of a RUN.toml, can name other ids, and its run's "
            "plan.json carries them"
        )
    if not all(0 <= number < control.vocabulary for number in (prefix, suffix, middle)):
        raise UsageError(f"sentinels: ids must be below the vocabulary, {control.vocabulary}")
    return prefix, suffix, middle


def tables(settings: Settings, tokenizer: str | None) -> dict[str, Any]:
    """Return what else `fill` is given, from the tokenizer.json of that path.

    Raises:
        UsageError: the level is "character", and there is no such path.
    """
    if settings.level == "token":
        return {}
    if tokenizer is None:
        raise UsageError("objective: fim: needs the tokenizer.json of the datasets")
    return {"halves": make_halves(tokenizer)}


def reserved_tokens(count: int, length: int) -> list[int]:
    """Return the allowances of `count` slots: ALLOWANCES, thinned evenly and scaled to `length`."""
    return spread(ALLOWANCES, COST, count, length)


def fill(
    segments: Segments,
    sequences: Numbers,
    batch: Batch,
    control: SpecialTokens,
    settings: Settings,
    halves: Halves | None = None,
) -> None:
    """Rearrange documents of some sequences, into their rows of a batch.

    Of the documents that are drawn, the longest are rearranged, as many as the allowance pays for;
    the rest is copied. Where halves do not fit any more, a document is cut between tokens.
    `halves` is None where the level is "token".
    """
    prefix, suffix, middle = sentinels_of(control, settings)
    ids = _Ids(control.end, prefix, suffix, middle)
    rate, spm_rate = (round(r * (1 << FIXED)) for r in (settings.rate, settings.spm_rate))
    chosen = _Chosen(rate, spm_rate, settings.shortest)
    _fill(segments, sequences, batch.rows, ids, chosen, halves or _NO_HALVES, halves is None)


_NONE = np.zeros(1, np.int64)
_NO_HALVES = Halves(_NONE, _NONE, _NONE, _NONE, _NONE, 0)


@compiled()
def _fill(
    segments: Segments,
    sequences: Numbers,
    rows: Rows,
    ids: _Ids,
    settings: _Chosen,
    halves: Halves,
    between_tokens: bool,
) -> None:
    work = np.empty(rows.tokens.shape[1] + 2 * halves.most, np.int64)
    for sequence in sequences:
        first, last = segments.first[sequence], segments.first[sequence + 1]
        key, allowance = segments.keys[sequence], segments.reserved_tokens[sequence]
        kept = _drawn(segments.lengths[first:last], key, settings, allowance // COST)
        spare = allowance - COST * len(kept)
        row = rows.tokens[sequence]
        used = turn = 0
        for segment in range(first, last):
            start = used
            if turn < len(kept) and first + kept[turn] == segment:
                own = derive(key, segment - first)
                size = segments.lengths[segment]
                tokens = segments.tokens[segments.starts[segment] :][:size]
                if between_tokens:
                    one, other = _between(own, size)
                    total = copy(tokens, 0, size, work, 0)
                else:
                    one, other, total = _inside(tokens, own, halves, spare, work)
                spare -= total - size
                turn += 1
                is_spm = below(draw(own, 1), 1 << FIXED) < settings.spm_rate
                used = _rearrange(work[:total], one, other, is_spm, row, used, ids)
                if segments.ends_document[segment]:
                    row[used] = ids.end
                    used += 1
            else:
                used = copy_segment(segments, segment, row, used, ids.end)
            mark(
                rows.loss_weights[sequence],
                rows.segment_ids[sequence],
                start,
                used,
                segment - first,
            )
        rows.loss_weights[sequence, 0] = 0
        pad(segments, sequence, rows, used, ids.end)


@compiled()
def _drawn(lengths: Numbers, key: np.uint64, settings: _Chosen, most: int) -> Numbers:
    """Return the numbers of the documents to rearrange: the `most` longest of those drawn."""
    eligible = lengths.copy()
    for i in range(len(eligible)):
        if below(draw(derive(key, i), 0), 1 << FIXED) >= settings.rate:
            eligible[i] = 0
    return longest(eligible, settings.shortest, most)


@compiled()
def _between(key: np.uint64, size: int) -> tuple[int, int]:
    """Return both cuts between tokens: uniform over 0 to `size`, ascending."""
    one, other = below(draw(key, 2), size + 1), below(draw(key, 3), size + 1)
    return min(one, other), max(one, other)


@compiled()
def _inside(
    tokens: Any, key: np.uint64, halves: Halves, spare: int, work: Numbers
) -> tuple[int, int, int]:
    """Cut a document at two characters.

    Args:
        tokens: the document's.
        key: what the cuts are drawn from.
        halves: of all tokens.
        spare: by how many tokens it may grow; where that is too few, it is cut between tokens.
        work: int64 [any], for its tokens, those that a cut replaced among them.

    Returns:
        Both cuts, as numbers of tokens in `work`, and how many tokens there are.
    """
    characters = 0
    for token in tokens:
        characters += halves.first[token + 1] - halves.first[token]
    one, other = _between(key, characters)
    front, entry = _token_at(tokens, 0, one, halves)
    back, another = _token_at(tokens, 0, other, halves)
    total = copy(tokens, 0, len(tokens), work, 0)
    # The cut behind goes first, so that the one before it still counts in the document's tokens.
    back_cut, total = _cut(work, total, back, another, halves)
    if front == back:
        front, entry = _token_at(work[:total], front, entry, halves)
    front_cut, grown = _cut(work, total, front, entry, halves)
    if grown - len(tokens) > spare:
        return min(front, back), back, copy(tokens, 0, len(tokens), work, 0)
    return front_cut, back_cut + grown - total, grown


@compiled()
def _token_at(tokens: Any, start: int, character: int, halves: Halves) -> tuple[int, int]:
    """Return the token, from number `start` on, in which a character begins, and which of its own.

    Characters are counted from `start`; behind the last one it is the number of tokens, and 0.
    """
    for at in range(start, len(tokens)):
        own = halves.first[tokens[at] + 1] - halves.first[tokens[at]]
        if character < own:
            return at, character
        character -= own
    return len(tokens), 0


@compiled()
def _cut(work: Numbers, total: int, at: int, entry: int, halves: Halves) -> tuple[int, int]:
    """Put both halves of a token in its place; return where the right one begins, and the total."""
    if at == total:
        return at, total
    number = halves.first[work[at]] + entry
    start, left, right = halves.starts[number], halves.left[number], halves.right[number]
    grown = left + right - 1
    if grown:
        work[at + 1 + grown : total + grown] = work[at + 1 : total].copy()
    work[at : at + left + right] = halves.ids[start : start + left + right]
    return at + left, total + grown


@compiled()
def _rearrange(
    work: Numbers, one: int, other: int, is_spm: bool, row: Any, at: int, ids: _Ids
) -> int:
    """Write a document with its middle, from `one` to `other`, at the end; return where it ends."""
    row[at] = ids.prefix
    at += 1
    if not is_spm:
        at = copy(work, 0, one, row, at)
    row[at] = ids.suffix
    at = copy(work, other, len(work) - other, row, at + 1)
    row[at] = ids.middle
    if is_spm:
        at = copy(work, 0, one, row, at + 1) - 1
    return copy(work, one, other - one, row, at + 1)


def restore(
    tokens: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    control: SpecialTokens,
    settings: Settings,
) -> npt.NDArray[np.int64]:
    """Return a row's documents as they were: the inverse of `fill`.

    Where a cut fell inside a token, its halves stand in its place: the same bytes.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        control: the plan's control ids.
        settings: those of the objective.
    """
    prefix, suffix, middle = sentinels_of(control, settings)
    pieces = []
    for part in documents_of(tokens, documents):
        if not len(part) or part[0] != prefix:
            pieces.append(part)
            continue
        behind, moved = (int(np.flatnonzero(part == number)[0]) for number in (suffix, middle))
        stop = len(part) - int(part[-1] == control.end)
        front, back = part[1:behind], part[behind + 1 : moved]
        # In SPM what was in front stands before the middle, at the end: nothing is between them.
        pieces += [front, part[moved + 1 : stop], back, part[stop:]]
    return np.concatenate(pieces)
