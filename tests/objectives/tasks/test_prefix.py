"""Prefix attention: nothing is changed but what is seen and what is learned."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UsageError
from objectives.tasks.registry import OBJECTIVES, make_objective
from tests.objectives.rows import (
    CONTROL,
    LAWS,
    addresses_of,
    assert_alone_as_in_a_batch,
    assert_padded,
    keys,
    row_of,
    sources,
)

SETTINGS = {"fim": {"level": "token", "sentinels": [50295, 50296, 50297], "rate": 0.9}}
ATTENDING = [name for name in OBJECTIVES if not name.startswith("ul2")]
"""The objectives that may have prefix attention."""


def made(name, **chosen):
    return make_objective(name, CONTROL, SETTINGS.get(name, {}), **chosen)


@settings(max_examples=LAWS)
@given(st.sampled_from(ATTENDING), sources, st.integers(0, 40), keys)
def test_only_the_loss_of_the_prefix_is_changed(name, windows, spare, key):
    plain, row = (
        row_of(made(name, attention=attention), windows, spare, key)
        for attention in ("causal", "prefix")
    )
    assert plain.prefix == 0
    assert np.array_equal(row.tokens, plain.tokens)
    assert np.array_equal(row.segment_ids, plain.segment_ids)
    assert_padded(row)
    assert 0 <= row.prefix <= max(min(round(0.9 * len(row.tokens)), row.used - 1), 0)
    assert (row.loss_weights[: row.prefix] == 0).all()
    assert np.array_equal(row.loss_weights[row.prefix :], plain.loss_weights[row.prefix :])


@given(
    st.sampled_from([*ATTENDING, "ul2_s"]),
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_row_does_not_depend_on_the_others(name, drawn, order):
    attention = "causal" if name == "ul2_s" else "prefix"
    assert_alone_as_in_a_batch(made(name, attention=attention), drawn, 0, order)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("clm", 0.0, 0.9), ("ul2_s", 0.5, 1.0), ("ul2_s_half", 0.0, 1.0)]
)
def test_prefixes_have_the_law_of_plain_python(name, low, high):
    """Two samples of 4,000: chi-squared over 30 bins of the prefixes of sequences of 600."""
    objective = made(name, attention="prefix" if name == "clm" else "causal")
    windows, plain = [addresses_of([599])], random.Random(name)
    bins = 30
    samples = [
        Counter(
            row_of(objective, windows, 0, key * 7919).prefix * bins // 601 for key in range(4000)
        ),
        Counter(min(round(plain.uniform(low, high) * 600), 599) * bins // 601 for _ in range(4000)),
    ]
    pairs = [(samples[0][i], samples[1][i]) for i in range(bins) if samples[0][i] + samples[1][i]]
    assert sum((a - b) ** 2 / (a + b) for a, b in pairs) < 58.3  # 99.9 % for 29


def test_the_bounds_of_the_prefix_are_met():
    prefixes = [
        row_of(made("clm", attention="prefix"), [addresses_of([99])], 0, key * 7919).prefix
        for key in range(2000)
    ]
    assert (min(prefixes), max(prefixes)) == (0, 90)


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - set(ATTENDING)))
def test_an_objective_with_a_prefix_of_its_own_refuses_another(name):
    with pytest.raises(UsageError, match=f"{name}: has a prefix of its own, so attention cannot"):
        made(name, attention="prefix")
