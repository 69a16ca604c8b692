"""The oracle of the laws: on small segments, each result is as likely as a list of all says."""

from collections import Counter, defaultdict
from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy import stats

from tests.objectives import plain_laws

DRAWS = 40_000


def assert_law(rows, law):
    """The rows have the probabilities of `law`, {row: weight}, by a chi-squared test."""
    seen = Counter(map(tuple, rows))
    assert seen.keys() <= law.keys()
    total = sum(law.values())
    expected = [DRAWS * weight / total for weight in law.values()]
    assert stats.chisquare([seen[row] for row in law], expected).pvalue > 0.001


def gaps_of(spans, length):
    """All lists of starts of spans of these sizes, ascending, with a token between any two."""
    return [
        starts
        for starts in combinations(range(length + 1), len(spans))
        if all(a + s < b for a, s, b in zip(starts, spans, starts[1:], strict=False))
        and starts[-1] + spans[-1] <= length
    ]


def cycles(permutation):
    """The lengths of a permutation's cycles."""
    left, lengths = set(permutation), []
    while left:
        first = at = min(left)
        lengths.append(0)
        while at in left:
            left.remove(at)
            lengths[-1] += 1
            at = permutation[at]
        assert at == first
    return lengths


def rows_of(spans):
    return np.concatenate([spans.starts, spans.sizes], axis=1).tolist()


def padded(starts, sizes, most):
    spare = (0,) * (most - len(sizes))
    return (*starts, *spare, *sizes, *spare)


def test_all_divisions_are_equally_likely():
    totals, parts = np.full(DRAWS, 4), np.full(DRAWS, 3)
    rows = plain_laws.divided(np.random.default_rng(1), totals, parts).tolist()
    assert_law(rows, {row: 1 for row in product(range(5), repeat=3) if sum(row) == 4})


def test_divisions_of_rows_with_other_numbers_of_parts_do_not_mix():
    totals, parts = np.array([5, 0, 9]), np.array([1, 4, 2])
    rows = plain_laws.divided(np.random.default_rng(1), totals, parts)
    assert rows.shape == (3, 4)
    assert rows.sum(axis=1).tolist() == totals.tolist()
    assert rows[0].tolist() == [5, 0, 0, 0]
    assert not rows[2, 2:].any()


@pytest.mark.parametrize("length", [7, 5])
def test_span_corruption_has_the_lengths_of_random_permutations_that_fit(length):
    """Four masked tokens; at a length of 5, only up to two spans fit."""
    ratio = 4 / length
    law: dict[tuple[int, ...], float] = defaultdict(float)
    for permutation in permutations(range(4)):
        sizes = cycles(permutation)
        if len(sizes) - 1 > length - 4:
            continue
        for order in permutations(sizes):
            places = gaps_of(order, length)
            for starts in places:
                key = padded(starts, order, min(4, length - 3))
                law[key] += 1 / (len(places) * len(list(permutations(sizes))))
    lengths = np.full(DRAWS, length)
    spans = plain_laws.span_corruption(np.random.default_rng(2), lengths, ratio, ratio)
    assert_law(rows_of(spans), law)


def test_bounded_lengths_are_uniform_and_the_last_is_what_is_left():
    """Three masked tokens in spans of at most 2: 2 1, 1 2, 1 1 1 have weights 1/2, 1/4, 1/4."""
    lengths = np.full(DRAWS, 30)
    spans = plain_laws.span_corruption(np.random.default_rng(3), lengths, 0.1, 0.1, bound=2)
    assert_law(spans.sizes.tolist(), {(2, 1, 0): 3, (1, 2, 0): 3, (1, 1, 1): 2})


def test_causal_masking_has_the_weights_of_independent_spans_that_are_disjoint():
    length, number = 6, 2
    law = {}
    for sizes in product(range(1, length + 1), repeat=number):
        weight = 1.0
        for size in sizes:
            weight /= length - size + 1
        for starts in gaps_of(sizes, length):
            law[padded(starts, sizes, number)] = weight
    lengths, numbers = np.full(DRAWS, length), np.full(DRAWS, number)
    spans = plain_laws.causal_masking(np.random.default_rng(4), lengths, numbers)
    assert_law(rows_of(spans), law)


def test_numbers_of_spans_are_poisson_given_that_they_fit():
    numbers = plain_laws.span_numbers(np.random.default_rng(5), np.full(DRAWS, 8), 2.0)
    assert_law(numbers[:, None].tolist(), {(n,): stats.poisson.pmf(n, 2.0) for n in range(1, 5)})


def test_denoisers_have_t5s_numbers():
    """T5 rounds halves up: 0.15 of 10 tokens are 2; 2 masked tokens of mean 3 are a span."""
    masked, numbers = plain_laws.denoiser_numbers(np.array([2, 10, 100]), 0.15, 3.0)
    assert (masked.tolist(), numbers.tolist()) == ([1, 2, 15], [1, 1, 5])
    spans = plain_laws.denoiser(np.random.default_rng(6), np.full(DRAWS, 6), 0.5, 2.0)
    law = {(*starts, *sizes) for sizes in ((1, 2), (2, 1)) for starts in gaps_of(sizes, 6)}
    assert_law(rows_of(spans), dict.fromkeys(law, 1))


def test_cuts_of_fill_in_the_middle_are_two_independent_places():
    cuts = plain_laws.fill_in_the_middle(np.random.default_rng(7), np.full(DRAWS, 2), 0.25, 0.5)
    law = {
        (drawn, is_spm, a, b): (3 if not drawn else 1) * (1 if a == b else 2)
        for drawn, is_spm in product((False, True), repeat=2)
        for a in range(3)
        for b in range(a, 3)
    }
    assert_law(zip(*(column.tolist() for column in cuts), strict=True), law)
