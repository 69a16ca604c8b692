"""How spans are drawn, in plain Python: what the compiled functions must do to the last bit."""

from itertools import pairwise

from objectives.tasks.kernels import FIXED
from objectives.tasks.span_corruption import COST
from tests.manifests.prng.plain_splitmix import Draws


def spans(lengths, allowance, masks, key, settings):
    """{number of a kept segment: [(first token, tokens), ...]} of a sequence's segments."""
    kept = longest(lengths, settings.shortest, allowance // COST)
    draws = Draws(key)
    low, high = (round(r * (1 << FIXED)) for r in (settings.ratio_low, settings.ratio_high))
    masked = []
    for segment in kept:
        ratio = low + draws.below(high - low + 1)
        rounded = (ratio * lengths[segment] + (1 << FIXED - 1)) >> FIXED
        masked.append(min(max(rounded, 1), lengths[segment]))
    sizes = [lengths[segment] for segment in kept]
    limits = [min(m, n - m + 1, masks) for m, n in zip(masked, sizes, strict=True)]
    counts = deal((allowance - len(kept)) // 3 - len(kept), sizes, limits)
    return {
        segment: cuts(lengths[segment], hidden, count, draws)
        for segment, hidden, count in zip(kept, masked, counts, strict=True)
    }


def longest(lengths, shortest, most):
    """The numbers of the `most` longest that are not too short, the first among equals."""
    eligible = [i for i, length in enumerate(lengths) if length >= shortest]
    return sorted(sorted(eligible, key=lambda i: -lengths[i])[:most])


def deal(extra, lengths, limits):
    """One span each, shares of `extra`, and what is left one by one to the longest."""
    total = sum(lengths)
    counts = [min(limit, 1 + extra * n // total) for n, limit in zip(lengths, limits, strict=True)]
    left = extra + len(lengths) - sum(counts)
    by_length = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    while left > 0:
        open_ones = [i for i in by_length if counts[i] < limits[i]][:left]
        if not open_ones:
            break
        for i in open_ones:
            counts[i] += 1
        left -= len(open_ones)
    return counts


def cuts(length, masked, count, draws):
    """`count` spans of `masked` tokens together, a gap between any two."""
    sizes = composition(masked, count, draws)
    gaps = composition(length - masked + 2, count + 1, draws)
    found, start = [], -1
    for gap, size in zip(gaps, sizes, strict=False):
        start += gap
        found.append((start, size))
        start += size
    return found


def composition(total, count, draws):
    """`count` numbers above 0 that sum to `total`."""
    bounds = [-1, *draws.subset(count - 1, total - 1), total - 1]
    return [after - before for before, after in pairwise(bounds)]
