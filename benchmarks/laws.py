"""Measure how near the objectives are to their laws, beside an independent plain implementation.

Samplers alone: at fixed lengths, chi-squared tests of each statistic beside plain numpy, with
Holm's correction over all tests of a seed; seeds 0 to 4. Whole plans: rates, means and shares of
bins of what rows hold, over streams of made-up files of real tokens. Mutations must fail: laws with
a rate 5 % off, and the allowances of earlier versions. Work is divided among all cores, because no
figure is a time.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims import Claim, main, say
from benchmarks.law_allowances import RESERVED
from benchmarks.law_plans import (
    FILES,
    LENGTHS,
    PLANNED,
    TOKENS,
    MadeUpComponent,
    worst,
)
from benchmarks.law_plans import (
    MUTATIONS as PLAN_MUTATIONS,
)
from benchmarks.law_samples import LAWS, MUTATIONS, Law, holm, p_values
from benchmarks.objectives import stream_of
from benchmarks.prepared import dataset
from manifests.dataset.dataset import Dataset
from objectives.tasks.registry import MIXES, OBJECTIVES

SEEDS = range(5)

SIZES = (40, 120, 500, 1200, 5000)
"""Tokens of a segment."""

MUTATED_SEGMENTS = 100_000
"""Segments of a plan that must fail."""

SIGNIFICANCE = 0.01
"""Of the adjusted p-values of a seed."""

PADDING = {512: 1.5, 2048: 0.7}
"""L -> largest padding that a plan of the real sample may expect, in percent."""

PACKAGES = ("numpy", "numba", "scipy")


def sampled(mutated: bool, number: int, size: int, seed: int) -> list[float]:
    """Return the p-value of each statistic of a law at one length."""
    return p_values((MUTATIONS if mutated else LAWS)[number], size, seed)


def planned(
    number: int, settings: dict[str, Any], files: str, length: int, place: str, allowances: bool
) -> tuple[float, str]:
    """Return the largest deviation of a plan over the text of a directory, and its name."""
    component = MadeUpComponent(files, _text(f"{place}/text.npy"))
    tokenizer = f"{place}/tokenizer.json"
    plain = PLANNED[number]
    if allowances or settings != plain.settings:
        plain = plain._replace(segments=MUTATED_SEGMENTS)
    return worst(plain, settings, component, length, tokenizer, 0, allowances)


@cache
def _text(path: str) -> Any:
    return np.load(path)


def write_text(directory: Path, place: Path) -> None:
    """Write TOKENS tokens of a dataset, and its tokenizer, into a directory."""
    opened, text, count = Dataset.open(str(directory)), np.empty(TOKENS, np.uint16), 0
    components = (opened.component(name) for name in opened.components)
    for tokens in chain.from_iterable(component.read_documents() for component in components):
        part = tokens[: TOKENS - count]
        text[count : count + len(part)] = part
        count += len(part)
    np.save(place / "text.npy", text[:count])
    (place / "tokenizer.json").write_bytes(Path(opened.tokenizer_path).read_bytes())


class Measurer:
    """Runs samplers and plans on all cores."""

    def __init__(self, pool: ProcessPoolExecutor, place: Path) -> None:
        """Use a pool, and the text in a directory."""
        self._pool, self._place = pool, str(place)

    def samplers(self, laws: Sequence[Law], mutated: bool, seed: int) -> dict[Law, float]:
        """Return the least p-value of each law, adjusted over all laws, lengths and statistics.

        A mutated law is adjusted over its own lengths and statistics.
        """
        jobs = [(number, size) for number in range(len(laws)) for size in SIZES]
        numbers, sizes = zip(*jobs, strict=True)
        count = len(jobs)
        results = self._pool.map(sampled, [mutated] * count, numbers, sizes, [seed] * count)
        values: dict[Any, float] = {}
        for (number, size), result in zip(jobs, results, strict=True):
            for column, value in zip(laws[number].columns, result, strict=True):
                values[number, size, column] = value
        families = [[n] for n in range(len(laws))] if mutated else [list(range(len(laws)))]
        adjusted: dict[Any, float] = {}
        for family in families:
            adjusted |= holm({key: value for key, value in values.items() if key[0] in family})
        return {
            law: min(value for key, value in adjusted.items() if key[0] == number)
            for number, law in enumerate(laws)
        }

    def plan(
        self, number: int, settings: dict[str, Any], allowances: bool = False
    ) -> dict[str, tuple[float, str]]:
        """Return the largest deviation over each kind of files and L, and its name."""
        cases = [(files, length) for files in FILES for length in LENGTHS]
        files, lengths = zip(*cases, strict=True)
        same = ([value] * len(cases) for value in (self._place, allowances))
        which = ([value] * len(cases) for value in (number, settings))
        scores = self._pool.map(planned, *which, files, lengths, *same)
        return {
            f"files of {kind}, L = {length}": score
            for (kind, length), score in zip(cases, scores, strict=True)
        }


def sampler_claims(measurer: Measurer) -> list[Claim]:
    """Compare the samplers alone, and those of mutated laws."""
    of_seed, claims = [], []
    for seed in SEEDS:
        say(f"laws: samplers, seed {seed}")
        of_seed.append(measurer.samplers(LAWS, False, seed))
    for law in LAWS:
        values = [result[law] for result in of_seed]
        text = f"{law.objective}, {law.law}: least p-value of a chi-squared test beside plain "
        text += f"numpy, adjusted by Holm, of seeds 0 to 4 ({_listed(values)})"
        claims.append(Claim(text, min(values), SIGNIFICANCE, 1.0, PACKAGES))
    say("laws: samplers with a rate 5 % off")
    for law, value in measurer.samplers(MUTATIONS, True, 0).items():
        text = (
            f"{law.objective}, {law.law}, with a rate 5 % off: the significance beside the p-value"
        )
        claims.append(Claim(text, SIGNIFICANCE, value, 1.0, PACKAGES))
    return claims


def plan_claims(measurer: Measurer) -> list[Claim]:
    """Compare whole plans, and those of mutated laws and of allowances."""
    claims = []
    for number, plain in enumerate(PLANNED):
        scores = measurer.plan(number, plain.settings)
        say(f"laws: plans of {plain.title}: {scores}")
        case = max(scores, key=lambda key: scores[key][0])
        what = f"{plain.segments:,} segments of each plan"
        text = f"{plain.title}, {what}: the largest deviation that is allowed, 1 % or 0.5 points, "
        text += f"beside the largest one ({case}: {scores[case][1]})"
        claims.append(Claim(text, 1.0, scores[case][0], 1.0, PACKAGES))
    for number, settings in PLAN_MUTATIONS:
        worst_case = max(measurer.plan(number, settings).values())
        claims.append(_mutation(f"{PLANNED[number].title}, with a rate 5 % off", worst_case))
    for number, plain in enumerate(PLANNED):
        if plain.name in RESERVED and not plain.settings:
            worst_case = max(measurer.plan(number, {}, True).values())
            claims.append(_mutation(f"{plain.name}, with the old allowances", worst_case))
    return claims


def _mutation(title: str, score: tuple[float, str]) -> Claim:
    text = f"{title}: the largest deviation of all plans ({score[1]}), beside what is allowed"
    return Claim(text, score[0], 1.0, 1.0, PACKAGES)


def padding_claims(directory: Path, work: str) -> list[Claim]:
    """Plan the real sample by each objective, and compare the padding that plans expect."""
    claims = []
    for length, allowed in PADDING.items():
        expected = {
            name: 100 * stream_of(directory, name, work, length=length).plan.padding
            for name in [*OBJECTIVES, *MIXES]
        }
        say(f"laws: percent of padding, L = {length}: {expected}")
        name = max(expected, key=expected.__getitem__)
        text = f"plans of the real sample by any objective, L = {length:,}: percent of padding "
        text += f"that is allowed, beside the most that a plan expects ({name})"
        claims.append(Claim(text, allowed, expected[name], 1.0, ("numpy", "numba")))
    return claims


def measure(data: Path) -> Sequence[Claim]:
    """Compare samplers, plans over made-up files of the corpus's tokens, and padding."""
    directory = dataset(data).resolve()
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as work,
        ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool,
    ):
        write_text(directory, Path(work))
        measurer = Measurer(pool, Path(work))
        return [
            *padding_claims(directory, work),
            *sampler_claims(measurer),
            *plan_claims(measurer),
        ]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2g}" for value in values)


if __name__ == "__main__":
    main("benchmarks.laws", measure)
