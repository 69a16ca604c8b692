"""Means with 95 % confidence intervals."""

import math
import statistics
from collections.abc import Sequence
from typing import TypedDict

Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""


class Estimate(TypedDict):
    """A mean over tasks, documents or tokens.

    `low` and `high` are the ends of the 95 % confidence interval, `count` the number of values.
    """

    value: float
    low: float
    high: float
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
    half = Z * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return {"value": value, "low": value - half, "high": value + half, "count": len(values)}


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
    return {"value": value, "low": value - half, "high": value + half, "count": count}


def mapped(estimate: Estimate, values: Sequence[float]) -> Estimate:
    """Return an estimate with other values for `value`, `low` and `high`, put in order."""
    low, high = sorted(values[1:])
    return {"value": values[0], "low": low, "high": high, "count": estimate["count"]}
