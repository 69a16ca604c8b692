"""Intervals cover the truth as often as they say, and are those of the textbook."""

import math

import numpy as np
import pytest

from trainer.evaluation.intervals import Z, mapped, mean, proportion, ratio


def test_a_proportion_has_wilsons_interval() -> None:
    made = proportion([1.0] * 3 + [0.0] * 7)
    # The ends solve (p - 0.3)^2 = z^2 p (1 - p) / 10.
    for end in (made["low"], made["high"]):
        assert (end - 0.3) ** 2 == pytest.approx(Z * Z * end * (1 - end) / 10)
    assert made["value"] == pytest.approx(0.3)
    assert made["low"] < 0.3 < made["high"]
    assert made["count"] == 10


def test_no_success_is_no_proof_of_zero() -> None:
    made = proportion([0.0] * 164)
    assert made["value"] == made["low"] == 0
    assert 0.02 < made["high"] < 0.03
    assert proportion([1.0] * 5)["high"] == 1


def test_intervals_cover_the_truth_in_95_of_100_cases() -> None:
    numbers = np.random.default_rng(3)
    covered = {"mean": 0, "proportion": 0, "ratio": 0}
    for _ in range(400):
        made = mean(numbers.normal(2.0, 1.0, 60).tolist())
        covered["mean"] += made["low"] <= 2.0 <= made["high"]
        made = proportion((numbers.random(60) < 0.2).astype(float).tolist())
        covered["proportion"] += made["low"] <= 0.2 <= made["high"]
        sizes = numbers.integers(1, 50, 60)
        made = ratio((3.0 * sizes + numbers.normal(0, sizes)).tolist(), sizes.tolist())
        covered["ratio"] += made["low"] <= 3.0 <= made["high"]
    assert all(0.91 * 400 < count < 0.98 * 400 for count in covered.values()), covered


def test_a_ratio_weighs_documents_by_their_size() -> None:
    assert ratio([10.0, 1.0], [2.0, 2.0])["value"] == 2.75
    assert ratio([6.0, 30.0], [2.0, 10.0]) == {"value": 3.0, "low": 3.0, "high": 3.0, "count": 2}


def test_one_value_has_no_interval() -> None:
    assert mean([3.0])["low"] == -math.inf
    assert ratio([3.0], [2.0])["high"] == math.inf


def test_mapped_ends_are_put_in_order() -> None:
    made = mapped({"value": 2.0, "low": 1.0, "high": 3.0, "count": 4}, [-2.0, -1.0, -3.0])
    assert made == {"value": -2.0, "low": -3.0, "high": -1.0, "count": 4}
