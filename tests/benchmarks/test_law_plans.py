"""The benchmark `laws`, small: laws hold in plans, and mutations fail."""

import numpy as np
import pytest

from benchmarks.law_plans import PLANNED, MadeUpComponent, rows_of, worst

FEWER = 6000
"""Segments. The noise of a share is then up to three times what 100,000 segments allow."""


@pytest.fixture(scope="module")
def component():
    random = np.random.default_rng(0)
    return MadeUpComponent("lognormal", random.integers(0, 30_000, 400_000).astype(np.uint16))


def named(name):
    """The last plan of an objective: of fim the one with cuts between tokens."""
    *_, plain = (plain for plain in PLANNED if plain.name == name)
    return plain._replace(segments=FEWER)


@pytest.mark.parametrize("name", ["span_corruption", "causal_masking", "fim", "ul2_r8"])
def test_laws_hold_in_plans(component, name):
    plain = named(name)
    score, _ = worst(plain, plain.settings, component, 1024, None, 0)
    assert score < 4


@pytest.mark.parametrize(
    ("name", "settings"),
    [("span_corruption", {"ratio_high": 0.7}), ("causal_masking", {"spans": 1.3})],
)
def test_laws_with_other_rates_fail(component, name, settings):
    score, _ = worst(named(name), settings, component, 1024, None, 0)
    assert score > 8


@pytest.mark.parametrize("name", ["span_corruption", "causal_masking", "fim"])
def test_the_old_allowances_fail(component, name):
    plain = named(name)
    score, figure = worst(plain, plain.settings, component, 1024, None, 0, allowances=True)
    assert score > 4
    assert figure in ("share drawn", "mean number", "share of 1 to 1")


def test_as_many_segments_are_changed_as_the_layout_says(component):
    plain = named("span_corruption")
    rows = rows_of(plain, plain.settings, component, 1024, None, 0)
    segments, eligible, thinned = next(rows)
    assert segments.lengths.sum() > 60 * 900
    assert np.count_nonzero(segments.is_changed) == eligible - thinned
