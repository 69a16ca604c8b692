"""Means with 95 % confidence intervals."""

import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypedDict

Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""


class Estimate(TypedDict):
    """A mean over tasks, documents or tokens.

    `low` and `high` are the ends of the 95 % confidence interval, `count` the number of values.
    A number that is not finite is None; a mean or a ratio of one value has no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int


def proportion(values: Sequence[float]) -> Estimate:
    """Return the mean of values from 0 to 1 with Wilson's interval (J. Am. Stat. Assoc. 22, 1927).

    The interval is that of values that are 0 or 1; the variance of values between is smaller, so
    it is not too narrow. It is not empty where all values are 0.
    """
    count = len(values)
    mean = statistics.fmean(values)
    center = (mean + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * math.sqrt(mean * (1 - mean) / count + Z * Z / (4 * count * count))
    half /= 1 + Z * Z / count
    low, high = max(0.0, center - half), min(1.0, center + half)
    return {"value": mean, "low": min(low, mean), "high": max(high, mean), "count": count}


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean of values of any size with the normal interval."""
    value = statistics.fmean(values)
    if len(values) < 2 or not math.isfinite(value):
        return _estimate(value, math.inf, len(values))
    return _estimate(value, Z * statistics.stdev(values) / math.sqrt(len(values)), len(values))


def ratio(totals: Sequence[float], sizes: Sequence[float]) -> Estimate:
    """Return the sum of totals over the sum of sizes, with the interval of the ratio estimator.

    Args:
        totals: of each document, such as its entropy in nats.
        sizes: of each document, such as its tokens.
    """
    value, count = sum(totals) / sum(sizes), len(totals)
    squares = sum((total - value * size) ** 2 for total, size in zip(totals, sizes, strict=True))
    half = math.inf
    if count > 1:
        half = Z * math.sqrt(squares * count / (count - 1)) / sum(sizes)
    return _estimate(value, half, count)


def mapped(estimate: Estimate, function: Callable[[float], float]) -> Estimate:
    """Return the estimate of an increasing function; None where the function overflows."""

    def of(number: float | None) -> float | None:
        with suppress(OverflowError):
            return None if number is None else function(number)
        return None

    value, low, high = of(estimate["value"]), of(estimate["low"]), of(estimate["high"])
    return {"value": value, "low": low, "high": high, "count": estimate["count"]}


def _estimate(value: float, half: float, count: int) -> Estimate:
    """Return an estimate with the ends `value - half` and `value + half`."""
    ends = (value, value - half, value + half)
    number, low, high = (end if math.isfinite(end) else None for end in ends)
    return {"value": number, "low": low, "high": high, "count": count}
