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

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from manifests.config import Config
from manifests.control import Control
from manifests.splitmix import Draws
from objectives.batch import PADDING, Addresses, Row, pad

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


def fill(source: Addresses, row: Row, key: int, control: Control, settings: Settings) -> None:
    """Corrupt the addresses into `row`; what they leave of its length is the allowance.

    The segments that are kept for corruption are the longest ones, as many as the allowance pays
    for; the rest is copied.
    """
    allowance = len(row.tokens) - len(source.tokens)
    kept = _longest(source.lengths, settings.shortest, allowance // COST)
    spans = _spans(source.lengths[kept].tolist(), allowance, control.masks, Draws(key), settings)
    pieces = _Pieces(len(source.tokens))
    copied = 0
    for segment, cuts in zip(kept.tolist(), spans, strict=True):
        start, length = int(source.starts[segment]), int(source.lengths[segment])
        pieces.copy(copied, start)
        copied = start + length + int(source.closed[segment])
        pieces.corrupt(start, copied, cuts)
    pieces.copy(copied, len(source.tokens))
    sizes = source.sizes
    sizes[kept] += np.array([3 * len(cuts) + 1 for cuts in spans], np.int64)
    used = pieces.write(source.tokens, row, control, settings.mask_weight)
    row.documents[:used] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    pad(row, used, control)


def _longest(lengths: npt.NDArray[np.int64], shortest: int, most: int) -> npt.NDArray[np.intp]:
    """Return the numbers of the `most` longest segments that are not too short, ascending."""
    eligible = np.flatnonzero(lengths >= shortest)
    if len(eligible) > most:
        order = np.argsort(-lengths[eligible], kind="stable")
        eligible = np.sort(eligible[order[:most]])
    return eligible


Cuts = list[tuple[int, int]]
"""The spans of a segment: (first token, tokens) each, from the segment's start, ascending."""


def _spans(
    lengths: list[int], allowance: int, masks: int, draws: Draws, settings: Settings
) -> list[Cuts]:
    """Draw the spans of the kept segments."""
    low, high = (round(r * (1 << FIXED)) for r in (settings.ratio_low, settings.ratio_high))
    masked = []
    for length in lengths:
        ratio = low + draws.below(high - low + 1)
        rounded = (ratio * length + (1 << FIXED - 1)) >> FIXED
        masked.append(min(max(rounded, 1), length))
    limits = [min(m, n - m + 1, masks) for m, n in zip(masked, lengths, strict=True)]
    counts = _deal((allowance - len(lengths)) // 3 - len(lengths), lengths, limits)
    return [
        _cuts(length, hidden, count, draws)
        for length, hidden, count in zip(lengths, masked, counts, strict=True)
    ]


def _deal(extra: int, lengths: list[int], limits: list[int]) -> list[int]:
    """Return the spans of each segment: one, and a share of `extra` in proportion to its length.

    What the floors and the limits leave goes one by one to the longest that may still have more.
    """
    total = sum(lengths)
    counts = [min(limit, 1 + extra * n // total) for n, limit in zip(lengths, limits, strict=True)]
    left = extra + len(lengths) - sum(counts)
    by_length = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    while left > 0:
        open_ones = [i for i in by_length if counts[i] < limits[i]][:left]
        if not open_ones:
            break
        for i in open_ones:
            counts[i] += 1
        left -= len(open_ones)
    return counts


def _cuts(length: int, masked: int, count: int, draws: Draws) -> Cuts:
    """Place `count` spans of `masked` tokens together: uniform over all ways there are.

    Lengths are at least 1 each, gaps between spans at least 1, the outer gaps at least 0.
    """
    sizes = _composition(masked, count, draws)
    gaps = _composition(length - masked + 2, count + 1, draws)
    cuts, start = [], -1
    for gap, size in zip(gaps, sizes, strict=False):
        start += gap
        cuts.append((start, size))
        start += size
    return cuts


def _composition(total: int, count: int, draws: Draws) -> list[int]:
    """Return `count` numbers above 0 that sum to `total`, all such lists equally likely."""
    bounds = [-1, *draws.subset(count - 1, total - 1), total - 1]
    return [after - before for before, after in pairwise(bounds)]


class _Run(NamedTuple):
    """Tokens to copy: of the source, or of the control ids that are thought to follow it."""

    start: int
    size: int


class _Pieces:
    """A row as runs of the source and single control ids, in their order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.runs: list[_Run] = []
        self.body_masks: list[int] = []  # which runs are masks in a body

    def copy(self, start: int, stop: int) -> None:
        """Take source tokens as they are."""
        self.runs.append(_Run(start, stop - start))

    def corrupt(self, start: int, stop: int, cuts: Cuts) -> None:
        """Take a segment of the source, its end token at `stop` - 1 if it has one."""
        sep, eom, first_mask = self.size, self.size + 1, self.size + 2
        position = start
        for number, (offset, count) in enumerate(cuts):
            self.copy(position, start + offset)
            self.body_masks.append(len(self.runs))
            self.runs.append(_Run(first_mask + number, 1))
            position = start + offset + count
        self.copy(position, stop)
        self.runs.append(_Run(sep, 1))
        for number, (offset, count) in enumerate(cuts):
            self.runs += (
                _Run(first_mask + number, 1),
                _Run(start + offset, count),
                _Run(eom, 1),
            )

    def write(
        self, tokens: npt.NDArray[np.int64], row: Row, control: Control, mask_weight: float
    ) -> int:
        """Write tokens and weights; return how many positions they took."""
        starts, sizes = np.array(self.runs, np.int64).T
        stops = np.cumsum(sizes)
        used = int(stops[-1])
        index = np.repeat(starts - stops + sizes, sizes) + np.arange(used)
        most = int(starts.max()) - self.size - 1
        masks = [control.mask(number) for number in range(1, most + 1)]
        known = np.concatenate([tokens, np.array([control.sep or 0, control.eom or 0, *masks])])
        # With the default mode numpy would copy through a buffer.
        np.take(known, index, out=row.tokens[:used], mode="clip")
        row.weights[:used] = 1
        row.weights[stops[self.body_masks] - 1] = mask_weight
        row.weights[0] = 0
        return used


def restore(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int32], control: Control
) -> npt.NDArray[np.int64]:
    """Return the addresses that a row was made from: the inverse of `fill`.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        control: the plan's control ids.
    """
    used = int(np.count_nonzero(documents != PADDING))
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
