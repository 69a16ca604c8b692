"""The laws of InCoder's causal masking."""

from collections import Counter
from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.tasks.causal_masking import (
    FEW,
    MAX_SPANS,
    CausalMasking,
    Settings,
    draw_spans,
    number_of_spans,
    span_thresholds,
)
from objectives.tasks.spans import split_segments
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
from tests.objectives.windows import addresses_in, lengths_of

DEFAULTS = CausalMasking(CONTROL)


@settings(max_examples=LAWS)
@given(
    sources,
    st.integers(0, 60),
    keys,
    st.builds(Settings, spans=st.floats(0.1, 8), shortest=st.integers(1, 12)),
    st.sampled_from([CONTROL.masks, 2]),
)
def test_rows_are_well_formed_and_restore(windows, spare, key, chosen, masks):
    control = CONTROL.model_copy(update={"masks": masks})
    objective = CausalMasking(control, chosen)
    row = row_of(objective, windows, spare, key)
    assert np.array_equal(objective.restore(row.tokens, row.segment_ids), addresses_in(windows))
    assert_padded(row, control)
    for part in split_segments(row.tokens, row.segment_ids):
        check_document(part, control)
    free = row_of(objective, windows, 9000, key)
    changed = sum(CONTROL.eom in part for part in split_segments(free.tokens, free.segment_ids))
    assert changed == np.count_nonzero(lengths_of(windows) >= chosen.shortest)


def check_document(part, control):
    is_mask = (part >= control.mask(control.masks)) & (part <= control.mask(1))
    result = part[is_mask].tolist()
    count = len(result) // 2
    assert result == 2 * [control.mask(number + 1) for number in range(count)]
    assert np.count_nonzero(part == control.eom) == count
    assert control.sep not in part
    if count:
        body = int(np.flatnonzero(is_mask)[count])
        assert (np.diff(np.flatnonzero(is_mask[:body])) > 1).all()  # a gap between any two
        answers = np.split(part[body:], np.flatnonzero(part[body:] == control.eom) + 1)
        assert len(answers.pop()) == 0
        assert all(len(answer) > 2 for answer in answers)  # none is empty
        assert control.end not in part[body:]


def test_all_tokens_but_masks_have_a_loss():
    row = row_of(DEFAULTS, [addresses_of([40, 50])], 60, 3)
    is_mask = row.tokens > CONTROL.eom
    assert is_mask.sum() >= 4
    learned = (row.loss_weights == 1) | is_mask
    learned[0] = True
    assert learned[: row.used].all()
    assert (row.loss_weights[is_mask] == 0).all()
    weighted = CausalMasking(CONTROL, Settings(mask_weight=0.5))
    other = row_of(weighted, [addresses_of([40, 50])], 60, 3)
    assert np.array_equal(other.tokens, row.tokens)
    is_mask[0] = False
    assert (other.loss_weights[is_mask] == 0.5).all()


@given(
    st.lists(st.tuples(sources, keys), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_a_row_does_not_depend_on_the_others(drawn, order):
    assert_alone_as_in_a_batch(DEFAULTS, drawn, 12, order)


def test_a_row_has_the_layout_of_the_paper():
    (source,) = [addresses_of([40])]
    rows = (row_of(DEFAULTS, [source], 3, key) for key in range(99))
    row = next(row for row in rows if CONTROL.eom in row.tokens)
    position = row.tokens.tolist().index(CONTROL.mask(1))
    tokens = addresses_in([source]).tolist()
    span = row.tokens.tolist()[row.tokens.tolist().index(CONTROL.end) + 2 : -1]
    assert row.tokens.tolist() == [
        *tokens[:position],
        CONTROL.mask(1),
        *tokens[position + len(span) :],
        CONTROL.mask(1),
        *span,
        CONTROL.eom,
    ]


@pytest.mark.parametrize("mean", [0.5, 1.0, 4.0])
def test_the_number_of_spans_is_poisson_truncated_to_1_and_more(mean):
    result = np.diff([0, *span_thresholds(mean).astype(np.int64).tolist()]) / 2**32
    poisson = [exp(-mean) * mean**n / factorial(n) for n in range(1, len(result) + 1)]
    assert np.allclose(result, np.array(poisson) / (1 - exp(-mean)), atol=1e-9)
    assert len(result) <= MAX_SPANS


@pytest.mark.parametrize(("length", "most"), [(8, 4), (9, 5), (2, 1), (1, 1)])
def test_the_number_of_spans_is_that_of_the_law_given_that_they_fit(length, most):
    thresholds = span_thresholds(2.0)
    keys = np.arange(40_000, dtype=np.uint64)
    seen = Counter(number_of_spans(key, length, 899, thresholds) for key in keys)
    weights = np.array([2.0**n / factorial(n) for n in range(1, most + 1)])
    expected = 40_000 * weights / weights.sum()
    assert sorted(seen) == list(range(1, most + 1))
    statistic = sum((seen[n + 1] - e) ** 2 / e for n, e in enumerate(expected))
    assert statistic < 18.5  # 99.9 % of 4


def test_a_single_span_has_a_uniform_length():
    cuts = np.empty((1, 2), np.int64)
    seen: Counter[int] = Counter()
    for key in range(8_000):
        draw_spans(np.uint64(key), 8, cuts)
        seen[int(cuts[0, 1])] += 1
    assert sorted(seen) == list(range(1, 9))
    assert sum((n - 1000) ** 2 / 1000 for n in seen.values()) < 24.3  # 99.9 % of 7


@pytest.mark.parametrize("count", [2, FEW, FEW + 1, 5])
def test_a_set_of_spans_has_the_probability_of_independent_ones(count):
    """Ten tokens: each set of disjoint spans, and its probability, can be listed."""
    length = 10
    weights = dict(sets_of(count, length))
    total, draws = sum(weights.values()), 20_000
    seen: Counter[tuple[tuple[int, int], ...]] = Counter()
    cuts = np.empty((count, 2), np.int64)
    for key in range(draws):
        draw_spans(np.uint64(key * 7919), length, cuts)
        seen[tuple((start, size) for start, size in cuts.tolist())] += 1
    assert set(seen) <= set(weights)
    expected = {spans: draws * weight / total for spans, weight in weights.items()}
    statistic = sum((seen[spans] - e) ** 2 / e for spans, e in expected.items())
    freedom = len(weights) - 1
    assert statistic < freedom + 3.3 * (2 * freedom) ** 0.5 + 6  # above 99.9 %


def sets_of(count, length, start=0):
    """Yield (spans, probability that independent spans are these) of all disjoint sets."""
    if count == 0:
        yield (), 1.0
        return
    for first in range(start, length):
        for size in range(1, length - first + 1):
            for rest, weight in sets_of(count - 1, length, first + size + 1):
                yield ((first, size), *rest), weight / (length - size + 1)
