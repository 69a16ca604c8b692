"""Intervals cover the truth as often as they say, and are those of the textbook."""

import math

import numpy as np
import pytest

from trainer.evaluation.intervals import Estimate, Z, mapped, mean, proportion, ratio


def interval(estimate: Estimate) -> tuple[float, float]:
    low, high = estimate["low"], estimate["high"]
    assert low is not None and high is not None
    return low, high


def within(value: float, estimate: Estimate) -> bool:
    low, high = interval(estimate)
    return low <= value <= high


def test_a_proportion_has_wilsons_interval() -> None:
    made = proportion([1.0] * 3 + [0.0] * 7)
    # The ends solve (p - 0.3)^2 = z^2 p (1 - p) / 10.
    for end in interval(made):
        assert (end - 0.3) ** 2 == pytest.approx(Z * Z * end * (1 - end) / 10)
    assert made["value"] == pytest.approx(0.3)
    assert within(0.3, made)
    assert made["count"] == 10


def test_no_success_is_no_proof_of_zero() -> None:
    made = proportion([0.0] * 164)
    assert made["value"] == made["low"] == 0
    assert 0.02 < interval(made)[1] < 0.03
    assert proportion([1.0] * 5)["high"] == 1


def test_intervals_cover_the_truth_in_95_of_100_cases() -> None:
    numbers = np.random.default_rng(3)
    covered = {"mean": 0, "proportion": 0, "ratio": 0}
    for _ in range(400):
        made = mean(numbers.normal(2.0, 1.0, 60).tolist())
        covered["mean"] += within(2.0, made)
        made = proportion((numbers.random(60) < 0.2).astype(float).tolist())
        covered["proportion"] += within(0.2, made)
        sizes = numbers.integers(1, 50, 60)
        made = ratio((3.0 * sizes + numbers.normal(0, sizes)).tolist(), sizes.tolist())
        covered["ratio"] += within(3.0, made)
    assert all(0.91 * 400 < count < 0.98 * 400 for count in covered.values()), covered


def test_a_ratio_weighs_documents_by_their_size() -> None:
    assert ratio([10.0, 1.0], [2.0, 2.0])["value"] == 2.75
    assert ratio([6.0, 30.0], [2.0, 10.0]) == {"value": 3.0, "low": 3.0, "high": 3.0, "count": 2}


def test_one_value_has_no_interval() -> None:
    assert mean([3.0]) == {"value": 3.0, "low": None, "high": None, "count": 1}
    assert ratio([3.0], [2.0]) == {"value": 1.5, "low": None, "high": None, "count": 1}


def test_a_number_that_is_not_finite_is_none() -> None:
    nothing = {"value": None, "low": None, "high": None, "count": 2}
    for value in (math.nan, math.inf):
        assert mean([value, 1.0]) == ratio([value, 1.0], [2.0, 2.0]) == nothing
    assert mapped(mean([1e6, 1e6]), math.exp) == nothing


def test_an_estimate_is_mapped_with_its_ends() -> None:
    made = mapped({"value": 2.0, "low": None, "high": 3.0, "count": 4}, lambda value: 2 * value)
    assert made == {"value": 4.0, "low": None, "high": 6.0, "count": 4}
