"""Samples of the compiled laws and of plain numpy, at one length, as numbers in bins.

A sample has one row for each segment and one column for each statistic. Rows are independent, so a
chi-squared test of a column is valid. A segment's spans depend on each other: the first span and
the end of the last one stand for them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from manifests.prng.splitmix import below, derive_key, draw
from manifests.special_tokens import SpecialTokens
from objectives.tasks import causal_masking, span_corruption
from objectives.tasks.fim import is_drawn
from objectives.tasks.kernels import FIXED
from objectives.tasks.spans import composition, place_spans
from objectives.tasks.token_splits import TokenSplits, draw_cuts
from objectives.tasks.ul2 import DENOISERS, Denoiser, denoised
from tests.objectives import plain_laws

Table = npt.NDArray[np.int64]

CONTROL = SpecialTokens(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)

CHARACTERS = 4
"""Characters of each token of a made-up vocabulary."""

FEW = 3
"""Causal masking in whole plans: places are compared for up to so many spans. Plain rejection needs
70 draws for 3 spans and 800 for 4."""

LEAST = 10
"""Least expected number in a bin; bins of fewer are joined."""

SUMMARY = ("number", "masked tokens", "first start", "first length", "last end")
"""Columns of `summary`: what stands for the spans of a segment."""

BINNED = ("number", "masked tokens", "number by ratio", "first length", "first start", "last end")
"""Columns of `binned`."""


class Law(NamedTuple):
    """A law to compare.

    Attributes:
        objective: name.
        law: what is drawn.
        columns: names of the statistics.
        ours: (key, length) -> a row of numbers.
        plain: (random, lengths) -> int64 [N, numbers].
        binned: (numbers, lengths) -> int64 [N, columns], both samples in bins.
        segments: segments of a sample; more where 5 % of a rate is hard to see, fewer where all
            numbers are those of the length.
    """

    objective: str
    law: str
    columns: tuple[str, ...]
    ours: Callable[[int, int], tuple[int, ...]]
    plain: Callable[[np.random.Generator, Table], Table]
    binned: Callable[[Table, Table], Table]
    segments: int = 10_000


def tenths(parts: Table, wholes: Table) -> Table:
    """Return in which tenth of a whole each part lies, from 0 to 9."""
    result: Table = np.minimum(10 * parts // wholes, 9)
    return result


def summary(spans: plain_laws.Spans) -> Table:
    """Return the columns of SUMMARY: int64 [N, 5]."""
    rows, last = np.arange(len(spans.sizes)), spans.numbers - 1
    ends = spans.starts[rows, last] + spans.sizes[rows, last]
    first = spans.starts[:, 0], spans.sizes[:, 0]
    return np.stack([spans.numbers, spans.sizes.sum(axis=1), *first, ends], axis=1)


def binned(numbers: Table, lengths: Table) -> Table:
    """Return the columns of BINNED, of those of SUMMARY."""
    number, masked, start, size, end = numbers.T
    thirds = np.minimum(3 * masked // lengths, 2)
    columns = [number, masked, thirds * 1000 + number, halves_of_powers(size)]
    return np.stack([*columns, halves_of_powers(start + 1), tenths(end - 1, lengths)], axis=1)


def halves_of_powers(values: Table) -> Table:
    """Return the binary logarithm of values above 0, in halves: 1 2 3 4 6 8 12 ..."""
    return (2 * np.log2(values)).astype(np.int64)


def row_of(cuts: Table) -> tuple[int, ...]:
    """Return the columns of SUMMARY for the spans of one segment, int64 [spans, 2]."""
    (first, size), (start, last) = cuts[0].tolist(), cuts[-1].tolist()
    return len(cuts), int(cuts[:, 1].sum()), first, size, start + last


def span_corruption_law(bound: int | None, high: float = 0.9) -> Law:
    """Return span corruption's law; `high` is that of the compiled one."""
    settings = {"ratio_high": high, "span_lengths": bound or "remaining"}
    law = span_corruption.SpanCorruption(
        CONTROL, span_corruption.Settings.model_validate(settings)
    ).law

    def ours(key: int, length: int) -> tuple[int, ...]:
        number = np.uint64(key)
        masked = span_corruption.masked_tokens(number, length, law.low, law.high)
        count, attempt = span_corruption.span_count(number, length, masked, law.masks, law.bound)
        cuts = np.empty((count, 2), np.int64)
        span_corruption.draw_spans(number, length, masked, count, attempt, law.bound, cuts)
        return row_of(cuts)

    def plain(random: np.random.Generator, lengths: Table) -> Table:
        return summary(plain_laws.span_corruption(random, lengths, bound=bound))

    text = "lengths uniform over what is left" if bound is None else f"lengths 1 to {bound}"
    return Law("span_corruption", text, BINNED, ours, plain, binned)


def span_number_law(mean: float = 1.0) -> Law:
    """Return causal masking's number of spans; `mean` is that of the compiled one."""
    thresholds = causal_masking.span_thresholds(mean)

    def ours(key: int, length: int) -> tuple[int, ...]:
        return (causal_masking.number_of_spans(np.uint64(key), length, 899, thresholds),)

    def plain(random: np.random.Generator, lengths: Table) -> Table:
        return plain_laws.span_numbers(random, lengths)[:, None]

    def same(numbers: Table, lengths: Table) -> Table:
        return numbers

    columns = ("number",)
    return Law("causal_masking", "number of spans", columns, ours, plain, same, 100_000)


def masked_places_law() -> Law:
    """Return causal masking's lengths and places, given 1 to FEW + 1 spans."""

    def ours(key: int, length: int) -> tuple[int, ...]:
        cuts = np.empty((1 + below(np.uint64(draw(np.uint64(key), 0)), FEW + 1), 2), np.int64)
        causal_masking.draw_spans(np.uint64(key), length, cuts)
        return row_of(cuts)

    def plain(random: np.random.Generator, lengths: Table) -> Table:
        numbers = random.integers(1, FEW + 1, len(lengths), endpoint=True)
        return summary(plain_laws.causal_masking(random, lengths, numbers))

    columns = ("masked tokens", "first start", "first length", "last end")
    return Law("causal_masking", "lengths and places", columns, ours, plain, by_number)


def by_number(numbers: Table, lengths: Table) -> Table:
    """Return in which tenth of the segment each column of SUMMARY lies, and the number of spans."""
    columns = numbers[:, 1:] - np.array([1, 0, 1, 1])
    result: Table = 10 * numbers[:, :1] + tenths(columns, lengths[:, None])
    return result


def _splits() -> TokenSplits:
    """Return a vocabulary of one token of CHARACTERS characters, cut into two tokens."""
    inner = np.array([0, *[1] * (CHARACTERS - 1)], np.int64)
    return TokenSplits(
        first=np.array([0, CHARACTERS], np.int64),
        starts=np.arange(CHARACTERS, dtype=np.int64) * 2,
        left=inner,
        right=np.ones(CHARACTERS, np.int64),
        ids=np.zeros(2 * CHARACTERS, np.int64),
        longest=2,
        characters=np.array([CHARACTERS], np.uint16),
    )


def fim_law(rate: float = 0.5) -> Law:
    """Return the law of fill in the middle; `rate` is that of the compiled one."""
    splits, fixed, half = _splits(), round(rate * (1 << FIXED)), 1 << FIXED - 1

    def ours(key: int, length: int) -> tuple[int, ...]:
        number, cuts = np.uint64(key), np.zeros(4, np.int64)
        if not is_drawn(number, fixed):
            return 0, 0, 0, 0
        draw_cuts(np.zeros(length, np.uint16), number, 2, splits, cuts)
        first, second = (CHARACTERS * int(cuts[i]) + int(cuts[i + 1]) for i in (0, 2))
        is_spm = below(np.uint64(draw(number, 1)), 1 << FIXED) < half
        return 1, int(is_spm), first, second

    def plain(random: np.random.Generator, lengths: Table) -> Table:
        cuts = plain_laws.fill_in_the_middle(random, CHARACTERS * lengths)
        return np.stack(cuts, axis=1).astype(np.int64) * cuts.drawn[:, None]

    def in_tenths(numbers: Table, lengths: Table) -> Table:
        drawn, cuts = numbers[:, :1], numbers[:, 2:]
        parts = tenths(cuts, CHARACTERS * lengths[:, None])
        return np.concatenate([numbers[:, :2], np.where(drawn, parts, -1)], axis=1)

    columns = ("drawn", "SPM", "first", "second")
    return Law("fim", "rate, order and cuts", columns, ours, plain, in_tenths, 40_000)


def denoiser_law(denoiser: type[Denoiser], share: float | None = None) -> Law:
    """Return the law of an R or X denoiser; `share` is that of the compiled one."""
    law = denoiser(CONTROL).law
    rate = law.rate if share is None else round(share * (1 << FIXED))

    def ours(key: int, length: int) -> tuple[int, ...]:
        masked, count = denoised(length, rate, law.mean)
        sizes, cuts = np.empty(count, np.int64), np.empty((count, 2), np.int64)
        composition(np.uint64(key), 0, masked, sizes)
        place_spans(np.uint64(key), count - 1, length, sizes, cuts)
        return row_of(cuts)

    def plain(random: np.random.Generator, lengths: Table) -> Table:
        return summary(plain_laws.denoiser(random, lengths, denoiser.share, denoiser.mean))

    return Law(denoiser.name, "number, lengths and places", BINNED, ours, plain, binned, 2_000)


LAWS: tuple[Law, ...] = (
    span_corruption_law(None),
    span_corruption_law(64),
    span_number_law(),
    masked_places_law(),
    fim_law(),
    *(denoiser_law(denoiser) for denoiser in DENOISERS),
)

MUTATIONS: tuple[Law, ...] = (
    span_corruption_law(None, high=0.9 * 0.95),
    span_corruption_law(64, high=0.9 * 0.95),
    span_number_law(1.05),
    fim_law(0.5 * 1.05),
    *(denoiser_law(denoiser, share=denoiser.share * 1.05) for denoiser in DENOISERS),
)
"""The same laws with a rate 5 % off."""


def p_values(law: Law, length: int, seed: int) -> list[float]:
    """Return the p-value of each statistic: chi-squared, of our sample beside the plain one."""
    key = np.uint64(derive_key(seed, law.objective, law.law, length))
    rows = [law.ours(int(draw(key, number)), length) for number in range(law.segments)]
    lengths = np.full(law.segments, length)
    plain = law.plain(np.random.default_rng(derive_key(int(key), "plain")), lengths)
    ours, other = (law.binned(sample, lengths) for sample in (np.array(rows), plain))
    return [two_samples(one, two) for one, two in zip(ours.T, other.T, strict=True)]


def two_samples(one: Table, other: Table) -> float:
    """Return the p-value that two samples of integers have one distribution."""
    values, numbers = np.unique(np.concatenate([one, other]), return_inverse=True)
    counts = np.stack(
        [
            np.bincount(part, minlength=len(values))
            for part in (numbers[: len(one)], numbers[len(one) :])
        ]
    )
    joined = _joined(counts)
    if joined.shape[1] < 2:
        return 1.0
    result: Any = stats.chi2_contingency(joined, correction=False)
    return float(result.pvalue)


def _joined(counts: Table) -> Table:
    """Return counts of which neighboring bins are joined until each has LEAST in the mean."""
    bins: list[Table] = []
    for column in counts.T:
        if bins and bins[-1].sum() < 2 * LEAST:
            bins[-1] = bins[-1] + column
        else:
            bins.append(column)
    if len(bins) > 1 and bins[-1].sum() < 2 * LEAST:
        last = bins.pop()
        bins[-1] = bins[-1] + last
    return np.array(bins).T


def holm(values: dict[Any, float]) -> dict[Any, float]:
    """Return p-values adjusted for their number, by Holm's method."""
    adjusted, least = {}, 0.0
    order = sorted(values, key=values.__getitem__)
    for rank, name in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * values[name]))
        adjusted[name] = least
    return adjusted
