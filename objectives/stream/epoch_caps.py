"""Epoch caps compiled into stages: a component that reached its cap has weight 0 afterwards."""

import logging
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from manifests.errors import UsageError
from manifests.mixture.resolve import Resolved
from objectives.stream.order import SCALE, WeightedInterleave

LOG = logging.getLogger(__name__)


def schedule(
    resolved: Resolved, sizes: Sequence[int], interleave: int, sequences: int
) -> tuple[list[tuple[int, list[int]]], int]:
    """Compile epoch caps into stages.

    A stage ends at the last multiple of `interleave` units at which no component is over its cap.
    The component that would exceed its cap next has weight 0 from there on.

    Args:
        resolved: the mixture.
        sizes: addresses of a unit of each component.
        interleave: C.
        sequences: K.

    Returns:
        (first unit, weights) of each stage, and the number of sequences of the budget.

    Raises:
        UsageError: the caps exclude every component.
    """
    limits = {
        i: member.cap // sizes[i]
        for i, member in enumerate(resolved.members)
        if member.cap is not None
    }
    stages: list[tuple[int, list[int]]] = []
    exhausted: set[int] = set()
    drawn = [0] * len(resolved.members)
    unit, left, positions = 0, resolved.budget, 0
    while left > 0 and len(exhausted) < len(drawn):
        shares = resolved.shares(exhausted)
        weights = integer_weights([share / size for share, size in zip(shares, sizes, strict=True)])
        # SCALE units have this many addresses.
        addresses = sum(weight * size for weight, size in zip(weights, sizes, strict=True))
        units = WeightedInterleave(weights)
        free = {i: limit - drawn[i] for i, limit in limits.items() if i not in exhausted}
        step, full = _until_full(units, free, -(-left * SCALE // addresses), interleave)
        if step:
            stages.append((unit, weights))
        drawn = [have + more for have, more in zip(drawn, units.counts(step), strict=True)]
        positions = (unit + step) * sequences
        if not full:
            positions = unit * sequences - (-left * sequences * SCALE // addresses)
            break
        unit += step
        exhausted |= full
        left = resolved.budget - sum(n * size for n, size in zip(drawn, sizes, strict=True))
    for index in limits:
        if not drawn[index]:
            LOG.warning(
                "%s: is left out: max_epochs is less than one unit of it",
                resolved.members[index].name,
            )
    if not stages:
        raise UsageError("max_epochs: is less than one unit of every component")
    return stages, positions


def _until_full(
    shares: WeightedInterleave, left: Mapping[int, int], most: int, interleave: int
) -> tuple[int, set[int]]:
    """Return how many units `left` permits, at most `most`, and which components are then full."""

    def over(groups: int) -> set[int]:
        """Return the components that `groups` x C units take more than `left` of."""
        counts = shares.counts(groups * interleave)
        return {i for i, limit in left.items() if counts[i] > limit}

    groups = bisect_left(range(-(-most // interleave)), True, key=lambda n: bool(over(n + 1)))
    if groups * interleave >= most:
        return most, set()
    return groups * interleave, over(groups + 1)


def integer_weights(shares: Sequence[float]) -> list[int]:
    """Return integers in proportion to `shares` that sum to 2^32; positive shares stay positive."""
    total = sum(shares)
    weights = [max(int(share / total * SCALE), 1) if share else 0 for share in shares]
    heaviest = max(range(len(weights)), key=weights.__getitem__)
    weights[heaviest] += SCALE - sum(weights)
    return weights
