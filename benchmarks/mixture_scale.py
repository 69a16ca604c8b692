"""New mixtures of a dataset of 100,000 shards, and their differences, from the shell.

Only the manifest of the dataset exists, so neither shards nor tables can be read. The benchmark
checks that each command writes nothing but the mixture.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims import ROOT, Claim, main, medians, say
from benchmarks.open_dataset import COMPONENTS, SHARD_COUNT, make
from manifests.dataset.shard_index import SHARD_TABLE
from manifests.lineage.manifest import FILE
from manifests.mixture.mixture import make_mixture
from manifests.shards import block_table

GROUPS = ("the-stack/language-0*", "the-stack/language-1*", "the-stack/language-[23]*")
RUNS = 7
LIMIT = 1.0
"""Seconds that a command may take. Ours: a pause that people do not notice."""

RATIOS = ((1.0, 1.0, 2.0), (0.2, 0.5, 0.3), (5.0, 1.0, 1.0))


def measure(data: Path) -> Sequence[Claim]:
    """Time the writing of mixtures with other weights, and the difference of two mixtures."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "tokenize-large"
        say(f"making the manifest of {SHARD_COUNT:,} shards")
        make(directory)
        for name in (SHARD_TABLE, block_table.FILE):
            (directory / name).unlink()
        number = iter(range(10**6))

        def out() -> str:
            return str(Path(place) / f"MIX-{next(number)}.toml")

        def inside() -> float:
            ratios = dict(zip(GROUPS, RATIOS[next(number) % len(RATIOS)], strict=True))
            start = time.perf_counter()
            rows = make_mixture([str(directory)], ratios, epochs=2, out=out())
            seconds = time.perf_counter() - start
            _check(rows, list(ratios.values()))
            return seconds

        def from_the_shell() -> float:
            ratios = RATIOS[next(number) % len(RATIOS)]
            weights = [f"--weight={g}={w}" for g, w in zip(GROUPS, ratios, strict=True)]
            seconds, output = _timed("mix", directory, *weights, "--epochs=2", f"--out={out()}")
            _check(output["components"], ratios)
            return seconds

        def compared() -> float:
            pair = [out(), out()]
            for path, ratios in zip(pair, RATIOS, strict=False):
                weights = dict(zip(GROUPS, ratios, strict=True))
                make_mixture([str(directory)], weights, out=path)
            seconds, output = _timed("diff", *pair)
            if len(output["components"]) != COMPONENTS:
                raise AssertionError("diff does not list every component")
            return seconds

        called, mixed, differed = medians(RUNS, inside, from_the_shell, compared)
        if [path.name for path in directory.rglob("*")] != [FILE]:
            raise AssertionError("something was written beside the manifest")
    say(f"within a process {called * 1e3:.0f} ms")
    what = f"of {SHARD_COUNT:,} shards and {COMPONENTS} components, from the shell"
    return [
        Claim(
            f"`stackpile mix` at new ratios {what}: seconds allowed against seconds taken",
            LIMIT,
            mixed,
            1.0,
            ("pydantic",),
        ),
        Claim(
            f"`stackpile diff` of two mixtures {what}: seconds allowed against seconds taken",
            LIMIT,
            differed,
            1.0,
            ("pydantic",),
        ),
    ]


def _timed(*arguments: object) -> tuple[float, dict[str, Any]]:
    """Run a command; return its duration in seconds, and the JSON object that it prints."""
    command = [sys.executable, "-m", "stackpile", *map(str, arguments), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - start, json.loads(done.stdout)


def _check(rows: object, ratios: Sequence[float]) -> None:
    """Raise AssertionError if a group does not have its share."""
    assert isinstance(rows, list)
    got = dict.fromkeys(GROUPS, 0.0)
    for row in rows:
        got[row["group"]] += row["share"]
    if len(rows) != COMPONENTS or not np.allclose(
        list(got.values()), np.divide(ratios, sum(ratios))
    ):
        raise AssertionError(f"the shares are not the requested ones: {got}")


if __name__ == "__main__":
    main("benchmarks.mixture_scale", measure)
