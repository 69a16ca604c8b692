"""Prefix-LM: nothing is changed but what is seen and what is learned."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from objectives.tasks.prefix_lm import PrefixLM, Settings
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
from tests.objectives.windows import addresses_in

DEFAULTS = PrefixLM(CONTROL)


@settings(max_examples=LAWS)
@given(sources, keys, st.floats(0, 1), st.floats(0, 1))
def test_rows_are_well_formed_and_restore(windows, key, one, other):
    chosen = Settings(ratio_low=min(one, other), ratio_high=max(one, other))
    row = row_of(PrefixLM(CONTROL, chosen), windows, 0, key)
    assert np.array_equal(row.tokens, addresses_in(windows))
    assert_padded(row)
    low, high = round(chosen.ratio_low * row.used), round(chosen.ratio_high * row.used)
    assert min(low - 1, row.used - 1) <= row.prefix <= min(high + 1, row.used - 1)
    assert (row.loss_weights[: row.prefix] == 0).all()
    assert (row.loss_weights[max(row.prefix, 1) :] == 1).all()


@given(
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_a_row_does_not_depend_on_the_others(drawn, order):
    assert_alone_as_in_a_batch(DEFAULTS, drawn, 0, order)


def test_prefixes_are_uniform_up_to_nine_tenths():
    seen: Counter[int] = Counter()
    for key in range(9_000):
        seen[row_of(DEFAULTS, [addresses_of([99])], 0, key * 7919).prefix // 10] += 1
    # r * 100 is uniform in [0, 90]: rounding gives 0 and 90 half of a whole number's share.
    expected = [950, *[1000] * 8, 50]
    assert sorted(seen) == list(range(10))
    assert sum((seen[i] - e) ** 2 / e for i, e in enumerate(expected)) < 27.9  # 99.9 %, 9


def test_bounds_must_be_in_order():
    with pytest.raises(ValidationError, match=r"ratio_low is 0.5, above ratio_high 0.2"):
        Settings(ratio_low=0.5, ratio_high=0.2)
