"""New mixtures of a dataset of 100,000 shards, and their differences, from the shell.

Each command is compared with the same command on a dataset with one shard for each component. Only
the manifests of the datasets exist, so neither shards nor tables can be read. The benchmark checks
that each command writes nothing but the mixture.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
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
GOAL = 0.8
"""Ours: the commands read only the manifest; its size does not depend on the number of shards."""

RATIOS = ((1.0, 1.0, 2.0), (0.2, 0.5, 0.3), (5.0, 1.0, 1.0))


def measure(data: Path) -> Sequence[Claim]:
    """Time the writing of mixtures with other weights, and the difference of two mixtures."""
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place, "tokenize-small"), Path(place, "tokenize-large")
        for directory, shards in ((small, COMPONENTS), (large, SHARD_COUNT)):
            say(f"making the manifest of {shards:,} shards")
            make(directory, shards)
            for name in (SHARD_TABLE, block_table.FILE):
                (directory / name).unlink()
        number = iter(range(10**6))

        def out() -> str:
            return str(Path(place) / f"MIX-{next(number)}.toml")

        def mix(directory: Path) -> float:
            ratios = RATIOS[next(number) % len(RATIOS)]
            weights = [f"--weight={g}={w}" for g, w in zip(GROUPS, ratios, strict=True)]
            seconds, output = _timed("mix", directory, *weights, "--epochs=2", f"--out={out()}")
            _check(output["components"], ratios)
            return seconds

        def diff(directory: Path) -> float:
            pair = [out(), out()]
            for path, ratios in zip(pair, RATIOS, strict=False):
                weights = dict(zip(GROUPS, ratios, strict=True))
                make_mixture([str(directory)], weights, out=path)
            seconds, output = _timed("diff", *pair)
            if len(output["components"]) != COMPONENTS:
                raise AssertionError("diff does not list every component")
            return seconds

        pair = (small, large)
        works = [partial(work, directory) for work in (mix, diff) for directory in pair]
        mixed_small, mixed, differed_small, differed = medians(RUNS, *works)
        for directory in (small, large):
            if [path.name for path in directory.rglob("*")] != [FILE]:
                raise AssertionError("something was written beside the manifest")
    what = f"from the shell, seconds: {COMPONENTS} shards against {SHARD_COUNT:,} shards and"
    what += f" {COMPONENTS} components"
    return [
        Claim(f"`stackpile mix` at new ratios {what}", mixed_small, mixed, GOAL, ("pydantic",)),
        Claim(
            f"`stackpile diff` of mixtures {what}", differed_small, differed, GOAL, ("pydantic",)
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
