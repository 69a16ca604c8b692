"""Measure how near the objectives are to their laws, beside an independent plain implementation.

Samplers alone: at fixed lengths, chi-squared tests of each statistic beside plain Python, with
Holm's correction over all tests of a seed; seeds 0 to 4. Whole plans: rates, means and shares of
bins over streams of made-up files. Mutations, which are laws with a rate 5 % off, must fail.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims import Claim, main, say
from benchmarks.law_plans import FILES, LENGTHS, worst
from benchmarks.law_samples import LAWS, MUTATIONS, Law, holm, p_values
from objectives.tasks.ul2 import DENOISERS

SEEDS = range(5)

SIZES = (40, 120, 500, 1200, 5000)
"""Tokens of a segment."""

PLAN_SEGMENTS = 100_000

SIGNIFICANCE = 0.01
"""Of the adjusted p-values of a seed."""

PLANNED = ("span_corruption", "causal_masking", "fim", *(d.name for d in DENOISERS))


def least_p(laws: Sequence[Law], seed: int) -> dict[tuple[str, str], float]:
    """Return the least p-value of each law, adjusted over all laws, lengths and statistics."""
    values: dict[Any, float] = {}
    for law in laws:
        for size in SIZES:
            result = p_values(law, size, seed)
            for column, value in zip(law.columns, result, strict=True):
                values[law.objective, law.law, size, column] = value
    least: dict[tuple[str, str], float] = {}
    for (objective, text, *_), value in holm(values).items():
        least[objective, text] = min(value, least.get((objective, text), 1.0))
    return least


def measure(data: Path) -> Sequence[Claim]:
    """Compare samplers and plans; the corpus is not used."""
    packages, claims = ("numpy", "numba", "scipy"), []
    of_seed = []
    for seed in SEEDS:
        say(f"laws: samplers, seed {seed}")
        of_seed.append(least_p(LAWS, seed))
    for law in LAWS:
        values = [result[law.objective, law.law] for result in of_seed]
        text = f"{law.objective}, {law.law}: least p-value of a chi-squared test beside plain "
        text += (
            f"Python, adjusted by Holm, of seeds 0 to 4 ({', '.join(f'{p:.2g}' for p in values)})"
        )
        claims.append(Claim(text, min(values), SIGNIFICANCE, 1.0, packages))
    for law in MUTATIONS:
        say(f"laws: {law.objective} with a rate 5 % off")
        value = least_p([law], 0)[law.objective, law.law]
        text = (
            f"{law.objective}, {law.law}, with a rate 5 % off: the significance beside the p-value"
        )
        claims.append(Claim(text, SIGNIFICANCE, value, 1.0, packages))
    for name in PLANNED:
        scores = {
            (files, length): worst(name, files, length, 0, PLAN_SEGMENTS)[0]
            for files in FILES
            for length in LENGTHS
        }
        say(f"laws: plans of {name}: {scores}")
        text = (
            f"{name}, whole plans, {PLAN_SEGMENTS:,} segments each: largest deviation of a rate, "
        )
        text += "mean or share from plain Python, in units of 1 % or 0.5 points"
        claims.append(Claim(text, 1.0, max(scores.values()), 1.0, packages))
    return claims


if __name__ == "__main__":
    main("benchmarks.laws", measure)
