"""The allowances that earlier versions had instead of laws, as a mutation that must fail.

Each slot of a unit had a fixed number of positions for control tokens, whatever its files were. The
longest segments of a sequence were changed; what an allowance left was divided among them.
"""

import numpy as np

from benchmarks.law_rows import Flags, ParsedSegments, Table
from tests.objectives import plain_laws

RESERVED: dict[str, tuple[int, tuple[int, ...]]] = {
    "span_corruption": (4, (8, 8, 12, 16, 24, 32, 48, 64)),
    "causal_masking": (3, (6, 6, 9, 12)),
    "fim": (3, (6, 9, 12, 21)),
}
"""Positions of the least change of a segment, and those of the slots for 2,048 positions."""


def limited(
    name: str, segments: ParsedSegments, length: int, random: np.random.Generator
) -> ParsedSegments:
    """Return segments as many of which are changed as the allowances say, and their spans.

    Args:
        name: of the objective.
        segments: the segments of consecutive rows.
        length: L.
        random: of the draws.
    """
    cost, table = RESERVED[name]
    allowed = [cost * max(1, round(h * length / 2048 / cost)) for h in table]
    bounds = np.flatnonzero(np.diff(segments.rows, prepend=-1, append=int(segments.rows[-1]) + 1))
    counts = np.zeros(len(segments.lengths), np.int64)
    slots = random.integers(0, len(allowed), len(bounds)).tolist()
    for slot, start, stop in zip(slots, bounds, bounds[1:], strict=False):
        lengths = segments.lengths[start:stop]
        wanted = _wanted(name, lengths, segments.is_changed[start:stop], random)
        kept = np.argsort(-np.where(wanted, lengths, 0), kind="stable")[: allowed[slot] // cost]
        kept = kept[wanted[kept] > 0]
        counts[start + kept] = _divided(name, allowed[slot], lengths[kept], wanted[kept])
    numbers = segments.numbers.copy()
    if name != "fim":
        numbers[:, 0] = counts
    return segments._replace(numbers=numbers, is_changed=counts > 0)


def _wanted(name: str, lengths: Table, drawn: Flags, random: np.random.Generator) -> Table:
    """Return how many spans each segment of a sequence has without an allowance."""
    if name == "fim":
        return drawn.astype(np.int64)
    masked = np.clip((random.uniform(0, 0.9, len(lengths)) * lengths + 0.5).astype(int), 1, lengths)
    most = np.minimum(masked, lengths - masked + 1)
    numbers = most if name == "span_corruption" else plain_laws.span_numbers(random, lengths + 1)
    return np.where(drawn, numbers, 0)


def _divided(name: str, allowed: int, lengths: Table, wanted: Table) -> Table:
    """Return how many spans the kept segments of a sequence have."""
    if name == "fim" or not len(lengths):
        return wanted
    if name == "span_corruption":
        spare = (allowed - len(lengths)) // 3 - len(lengths)
        shares: Table = 1 + spare * lengths // lengths.sum()
        return np.minimum(wanted, shares)
    numbers, spare = wanted.copy(), allowed // 3 - len(lengths)
    for i in range(len(numbers)):
        numbers[i] = min(wanted[i], 1 + spare)
        spare -= numbers[i] - 1
    return numbers
