"""The laws of the objectives in plain Python, from their statement in docs/objectives.md.

The functions share nothing with the compiled samplers: no random numbers, no coupling, no shortcut.
Tests and benchmarks/laws.py compare distributions.
"""

from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import exp
from random import Random

Spans = list[tuple[int, int]]
"""(first token, tokens) of each span, ascending."""


def span_corruption(
    random: Random, length: int, low: float = 0.0, high: float = 0.9, bound: int | None = None
) -> Spans:
    """Draw a ratio, then lengths that use it up, then places."""
    ratio = random.uniform(low, high)
    masked = max(1, min(length, int(ratio * length + 0.5)))
    while True:
        sizes, left = list[int](), masked
        while left:
            size = min(random.randint(1, left if bound is None else bound), left)
            sizes.append(size)
            left -= size
        if len(sizes) - 1 <= length - masked:
            break
    random.shuffle(sizes)
    return placed(random, length, sizes)


def placed(random: Random, length: int, sizes: list[int]) -> Spans:
    """Place spans: all gap lengths are equally likely, inner gaps have at least 1 token."""
    gaps = composition(random, length - sum(sizes) + 2, len(sizes) + 1)
    spans, at = Spans(), -1
    for gap, size in zip(gaps, sizes, strict=False):
        at += gap
        spans.append((at, size))
        at += size
    return spans


def composition(random: Random, total: int, parts: int) -> list[int]:
    """Return `parts` numbers above 0 that sum to `total`, all lists equally likely."""
    ends = sorted(random.sample(range(1, total), parts - 1))
    return [after - before for before, after in pairwise([0, *ends, total])]


@cache
def span_number_law(length: int, mean: float = 1.0) -> list[float]:
    """Return the probabilities of 1, 2, ... spans of causal masking."""
    weights = [exp(-mean)]
    for number in range(1, min(256, (length + 1) // 2) + 1):
        weights.append(weights[-1] * mean / number)
    total = sum(weights[1:])
    return [weight / total for weight in weights[1:]]


def causal_masking(random: Random, length: int, number: int) -> Spans:
    """Draw all spans again until none overlaps or touches another."""
    while True:
        spans = Spans()
        for _ in range(number):
            size = random.randint(1, length)
            spans.append((random.randint(0, length - size), size))
        spans.sort()
        if all(one + size < other for (one, size), (other, _) in pairwise(spans)):
            return spans


def fill_in_the_middle(
    random: Random, places: int, rate: float = 0.5, spm_rate: float = 0.5
) -> tuple[bool, int, int] | None:
    """Return whether the order is SPM, and two cuts from 0 to `places`; or None."""
    if random.random() >= rate:
        return None
    first, second = sorted([random.randint(0, places), random.randint(0, places)])
    return random.random() < spm_rate, first, second


def denoiser_numbers(length: int, share: float, mean: float) -> tuple[int, int]:
    """Return T5's number of masked tokens and of spans."""
    masked = min(max(int(Fraction(str(share)) * length + Fraction(1, 2)), 1), length - 1)
    return masked, min(max(int(masked / mean + 0.5), 1), masked, length - masked + 1)


def denoiser(random: Random, length: int, share: float, mean: float) -> Spans:
    """Draw spans of T5's numbers."""
    masked, number = denoiser_numbers(length, share, mean)
    return placed(random, length, composition(random, masked, number))
