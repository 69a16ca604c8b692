"""The laws of the objectives in plain numpy, from their statement in docs/objectives.md.

The functions draw many segments at once. They share nothing with the compiled samplers: no random
numbers, no coupling, no shortcut. test_plain_laws.py compares them with what can be listed.
Tests and benchmarks/laws.py compare distributions.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Spans(NamedTuple):
    """Spans of N segments, ascending. Columns behind the last span of a segment hold zeros.

    Attributes:
        starts: int64 [N, most], first token of each span.
        sizes: int64 [N, most], tokens of each span.
    """

    starts: Integers
    sizes: Integers

    @property
    def numbers(self) -> Integers:
        """How many spans each segment has: int64 [N]."""
        numbers: Integers = np.count_nonzero(self.sizes, axis=1)
        return numbers


def span_corruption(
    random: np.random.Generator,
    lengths: Integers,
    low: float = 0.0,
    high: float = 0.9,
    bound: int | None = None,
) -> Spans:
    """Draw a ratio, then lengths until they use it up, then places."""
    ratios = random.uniform(low, high, len(lengths))
    masked = np.clip((ratios * lengths + 0.5).astype(np.int64), 1, lengths)
    sizes = _used_up(random, masked, bound)
    while True:
        failed = np.flatnonzero(np.count_nonzero(sizes, axis=1) - 1 > lengths - masked)
        if not len(failed):
            break
        again = _used_up(random, masked[failed], bound)
        width = max(sizes.shape[1], again.shape[1])
        sizes, again = (np.pad(s, ((0, 0), (0, width - s.shape[1]))) for s in (sizes, again))
        sizes[failed] = again
    order = np.argsort(np.where(sizes, random.random(sizes.shape), 2.0), axis=1)
    return placed(random, lengths, np.take_along_axis(sizes, order, axis=1))


def _used_up(random: np.random.Generator, masked: Integers, bound: int | None) -> Integers:
    """Draw lengths until they use up `masked`: int64 [N, most]."""
    left, columns = masked, list[Integers]()
    while left.any():
        most = np.maximum(left, 1) if bound is None else np.full_like(left, bound)
        columns.append(np.minimum(random.integers(1, most, endpoint=True), left))
        left = left - columns[-1]
    return np.stack(columns, axis=1)


def placed(random: np.random.Generator, lengths: Integers, sizes: Integers) -> Spans:
    """Place spans: all gap lengths are equally likely, inner gaps have at least 1 token."""
    numbers = np.count_nonzero(sizes, axis=1)
    sizes = sizes[:, : numbers.max()]
    gaps = divided(random, lengths - sizes.sum(axis=1) - numbers + 1, numbers + 1)[:, :-1]
    gaps[:, 1:] += 1
    starts = np.cumsum(gaps, axis=1) + np.cumsum(sizes, axis=1) - sizes
    return Spans(np.where(sizes, starts, 0), sizes)


def divided(random: np.random.Generator, totals: Integers, parts: Integers) -> Integers:
    """Divide each total into numbers of at least 0, all ways equally likely: int64 [N, most].

    Balls in boxes whose shares are uniform on the simplex have the law of Bose and Einstein: all
    numbers of balls are equally likely.
    """
    # The boxes that a row has stand last, so that the last one takes what the others leave.
    is_box = np.arange(parts.max()) >= parts.max() - parts[:, None]
    shares = random.exponential(size=is_box.shape) * is_box
    shares /= shares.sum(axis=1, keepdims=True)
    return np.flip(random.multinomial(totals, shares), axis=1).copy()


def span_numbers(random: np.random.Generator, lengths: Integers, mean: float = 1.0) -> Integers:
    """Return causal masking's numbers of spans: Poisson, drawn again until they fit."""
    numbers = np.zeros_like(lengths)
    failed = np.arange(len(lengths))
    while len(failed):
        numbers[failed] = random.poisson(mean, len(failed))
        most = np.minimum(256, (lengths[failed] + 1) // 2)
        failed = failed[(numbers[failed] < 1) | (numbers[failed] > most)]
    return numbers


def causal_masking(random: np.random.Generator, lengths: Integers, numbers: Integers) -> Spans:
    """Draw all spans of a segment again until none overlaps or touches another."""
    columns = np.arange(numbers.max())
    starts = np.zeros((len(lengths), len(columns)), np.int64)
    sizes, failed = np.zeros_like(starts), np.arange(len(lengths))
    while len(failed):
        length = np.repeat(lengths[failed, None], len(columns), axis=1)
        size = random.integers(1, length, endpoint=True)
        start = random.integers(0, length - size, endpoint=True)
        # Columns behind the last span stand far behind the segment, and hold nothing.
        is_span = columns < numbers[failed, None]
        start, size = np.where(is_span, start, (columns + 1) << 40), np.where(is_span, size, 0)
        order = np.argsort(start, axis=1)
        start, size = (np.take_along_axis(table, order, axis=1) for table in (start, size))
        is_disjoint = ((start + size)[:, :-1] < start[:, 1:]).all(axis=1)
        done = failed[is_disjoint]
        starts[done], sizes[done] = start[is_disjoint], size[is_disjoint]
        failed = failed[~is_disjoint]
    return Spans(np.where(sizes, starts, 0), sizes)


class Cuts(NamedTuple):
    """What fill in the middle does with N segments.

    Attributes:
        drawn: bool [N], whether it is rearranged.
        is_spm: bool [N], whether the order is SPM.
        first: int64 [N], first cut.
        second: int64 [N], second cut.
    """

    drawn: npt.NDArray[np.bool_]
    is_spm: npt.NDArray[np.bool_]
    first: Integers
    second: Integers


def fill_in_the_middle(
    random: np.random.Generator, places: Integers, rate: float = 0.5, spm_rate: float = 0.5
) -> Cuts:
    """Draw for segments with cuts from 0 to `places`."""
    drawn, is_spm = (random.random(len(places)) < p for p in (rate, spm_rate))
    cuts = np.sort(random.integers(0, places, size=(2, len(places)), endpoint=True), axis=0)
    return Cuts(drawn, is_spm, cuts[0], cuts[1])


def denoiser_numbers(lengths: Integers, share: float, mean: float) -> tuple[Integers, Integers]:
    """Return T5's numbers of masked tokens and of spans, halves rounded up: int64 [N] both."""
    rate, half = Fraction(str(share)), Fraction(1, 2)
    masked = _floor(lengths, rate, half).clip(1, lengths - 1)
    spans = _floor(masked, 1 / Fraction(str(mean)), half).clip(1)
    return masked, np.minimum(spans, np.minimum(masked, lengths - masked + 1))


def _floor(values: Integers, factor: Fraction, more: Fraction) -> Integers:
    """Return values x factor + more, rounded down."""
    below = factor.denominator * more.denominator
    above = values * factor.numerator * more.denominator + more.numerator * factor.denominator
    return above // below


def denoiser(random: np.random.Generator, lengths: Integers, share: float, mean: float) -> Spans:
    """Draw spans of T5's numbers; all ways to divide the masked tokens are equally likely."""
    masked, numbers = denoiser_numbers(lengths, share, mean)
    sizes = divided(random, masked - numbers, numbers)
    is_span = np.arange(sizes.shape[1]) < numbers[:, None]
    return placed(random, lengths, np.where(is_span, sizes + 1, 0))
