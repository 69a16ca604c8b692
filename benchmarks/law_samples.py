"""Samples of the compiled laws and of plain Python, at one length, as numbers in bins.

A sample has one row for each segment and one column for each statistic. Rows are independent, so a
chi-squared test of a column is valid; a segment's spans are not, so the first span stands for them.
"""

from collections.abc import Callable
from math import log2
from random import Random
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

MOST_SPANS = causal_masking.FEW
"""Causal masking: places are compared for up to so many spans, which plain rejection can draw."""

LEAST = 10
"""Least expected number in a bin; bins of fewer are joined."""


class Law(NamedTuple):
    """A law to compare.

    Attributes:
        objective: name.
        law: what is drawn.
        columns: names of the statistics.
        ours: (key, length) -> a row.
        plain: (random, length) -> a row.
        segments: segments of a sample; more where 5 % of a rate is hard to see, fewer where all
            numbers are those of the length.
    """

    objective: str
    law: str
    columns: tuple[str, ...]
    ours: Callable[[int, int], tuple[int, ...]]
    plain: Callable[[Random, int], tuple[int, ...]]
    segments: int = 10_000


def _tenth(part: float, whole: float) -> int:
    return min(int(10 * part / whole), 9)


def _spans(length: int, spans: plain_laws.Spans) -> tuple[int, ...]:
    """Number, masked tokens, number by third of the ratio, first length and first start."""
    masked, (start, size) = sum(size for _, size in spans), spans[0]
    third = min(3 * masked // length, 2)
    return (
        len(spans),
        masked,
        third * 1000 + len(spans),
        int(log2(size) * 2),
        _tenth(start, length),
    )


SPAN_COLUMNS = ("number", "masked tokens", "number by ratio", "first length", "first start")


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
        return _spans(length, [(start, size) for start, size in cuts.tolist()])

    def plain(random: Random, length: int) -> tuple[int, ...]:
        return _spans(length, plain_laws.span_corruption(random, length, bound=bound))

    text = "lengths uniform over what is left" if bound is None else f"lengths 1 to {bound}"
    return Law("span_corruption", text, SPAN_COLUMNS, ours, plain)


def span_number_law(mean: float = 1.0) -> Law:
    """Return causal masking's number of spans; `mean` is that of the compiled one."""
    thresholds = causal_masking.span_thresholds(mean)

    def ours(key: int, length: int) -> tuple[int, ...]:
        number = causal_masking.number_of_spans(np.uint64(key), length, 899, thresholds)
        return (min(number, 6),)

    def plain(random: Random, length: int) -> tuple[int, ...]:
        law = plain_laws.span_number_law(length)[:20]  # the rest is below 1e-19
        return (min(random.choices(range(1, len(law) + 1), law)[0], 6),)

    return Law("causal_masking", "number of spans", ("number",), ours, plain, 100_000)


def masked_places_law() -> Law:
    """Return causal masking's lengths and places, given the number."""

    def row(length: int, spans: plain_laws.Spans) -> tuple[int, ...]:
        start, size = spans[0]
        last = spans[-1]
        return (
            10 * len(spans) + _tenth(size, length),
            10 * len(spans) + _tenth(start, length),
            10 * len(spans) + _tenth(last[0] + last[1] - 1, length),
        )

    def ours(key: int, length: int) -> tuple[int, ...]:
        cuts = np.empty((1 + below(np.uint64(draw(np.uint64(key), 0)), MOST_SPANS), 2), np.int64)
        causal_masking.draw_spans(np.uint64(key), length, cuts)
        return row(length, [(start, size) for start, size in cuts.tolist()])

    def plain(random: Random, length: int) -> tuple[int, ...]:
        return row(length, plain_laws.causal_masking(random, length, random.randint(1, MOST_SPANS)))

    return Law(
        "causal_masking", "lengths and places", ("first length", "start", "end"), ours, plain
    )


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
    )


def fim_law(rate: float = 0.5) -> Law:
    """Return the law of fill in the middle; `rate` is that of the compiled one."""
    splits, fixed, half = _splits(), round(rate * (1 << FIXED)), 1 << FIXED - 1

    def row(drawn: bool, spm: bool, first: int, second: int, places: int) -> tuple[int, ...]:
        tenths = _tenth(first, places), _tenth(second, places)
        return (int(drawn), int(spm), *((t if drawn else -1) for t in tenths))

    def ours(key: int, length: int) -> tuple[int, ...]:
        number, cuts = np.uint64(key), np.zeros(4, np.int64)
        if not is_drawn(number, fixed):
            return row(False, False, 0, 0, 1)
        draw_cuts(np.zeros(length, np.uint16), number, 2, splits, cuts)
        first, second = (CHARACTERS * int(cuts[i]) + int(cuts[i + 1]) for i in (0, 2))
        spm = below(np.uint64(draw(number, 1)), 1 << FIXED) < half
        return row(True, spm, first, second, CHARACTERS * length)

    def plain(random: Random, length: int) -> tuple[int, ...]:
        drawn = plain_laws.fill_in_the_middle(random, CHARACTERS * length)
        return row(drawn is not None, *(drawn or (False, 0, 0)), CHARACTERS * length)

    columns = ("drawn", "SPM", "first", "second")
    return Law("fim", "rate, order and cuts", columns, ours, plain, 40_000)


def denoiser_law(denoiser: type[Denoiser], share: float | None = None) -> Law:
    """Return the law of an R or X denoiser; `share` is that of the compiled one."""
    law = denoiser(CONTROL).law
    rate = law.rate if share is None else round(share * (1 << FIXED))

    def ours(key: int, length: int) -> tuple[int, ...]:
        masked, count = denoised(length, rate, law.mean)
        sizes, cuts = np.empty(count, np.int64), np.empty((count, 2), np.int64)
        composition(np.uint64(key), 0, masked, sizes)
        place_spans(np.uint64(key), count - 1, length, sizes, cuts)
        return _spans(length, [(start, size) for start, size in cuts.tolist()])

    def plain(random: Random, length: int) -> tuple[int, ...]:
        spans = plain_laws.denoiser(random, length, denoiser.share, denoiser.mean)
        return _spans(length, spans)

    return Law(denoiser.name, "number, lengths and places", SPAN_COLUMNS, ours, plain, 2_000)


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
    random = Random(f"{seed} {law.objective} {law.law} {length}")
    keys = (derive_key(seed, law.objective, length, number) for number in range(law.segments))
    ours = np.array([law.ours(key, length) for key in keys])
    plain = np.array([law.plain(random, length) for _ in range(law.segments)])
    return [two_samples(one, other) for one, other in zip(ours.T, plain.T, strict=True)]


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
