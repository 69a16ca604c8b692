"""How well batches are mixed, beside webdataset's shuffle buffer and mosaicml-streaming's shuffle.

Each gives an order of the same sequences of one dataset, in batches of 64. What is measured of it:
the repositories of a batch, how much the share of The Stack varies between batches, and how many
batches apart neighbors on disk come out.
"""

import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import webdataset

from benchmarks.claims import Claim, main, say
from benchmarks.peers.environment import ask
from benchmarks.peers.rates import LENGTH, ROWS
from benchmarks.prepared import dataset
from manifests.dataset.dataset import Dataset
from manifests.mixture.mixture import load_mixture, make_mixture
from objectives.stream.plan import make_plan
from objectives.stream.sampler import Sampler

BATCHES = 40
"""Whose repositories are looked up."""
MDS_SHARD = (1 << 26) // (2 * LENGTH)
"""Sequences of a shard of mosaicml's, by its default of 64 MB."""


class Found(NamedTuple):
    """Of an order: repositories of a batch, deviation of a share in percent, batches apart."""

    repositories: float
    deviation: float
    apart: float


class Sample:
    """The sequences of a dataset in the order that they have on disk: shard after shard."""

    def __init__(self, directory: Path) -> None:
        """Number the sequences of all components."""
        self.opened = Dataset.open(str(directory))
        self.components = [self.opened.component(name) for name in self.opened.components]
        counts = [component.addresses // LENGTH for component in self.components]
        self.first = np.cumsum([0, *counts])
        self.is_stack = np.repeat(
            [c.name.startswith("the-stack/") for c in self.components], counts
        )

    @cache  # noqa: B019
    def repository(self, sequence: int) -> str:
        """Return the repository of the first document of a sequence, or the document itself."""
        number = int(self.first.searchsorted(sequence, side="right")) - 1
        component = self.components[number]
        document, _ = component.document_at((sequence - int(self.first[number])) * LENGTH)
        row = component.origin(document)
        return row["repositories"][0] if row["repositories"] else f"{number} {document}"

    def judge(self, order: npt.NDArray[np.int64]) -> Found:
        """Measure an order of the sequences: int64 [n]."""
        batches = order[: len(order) // ROWS * ROWS].reshape(-1, ROWS)
        looked = batches[:: max(1, len(batches) // BATCHES)]
        repositories = [len({self.repository(s) for s in batch}) for batch in looked.tolist()]
        place = np.empty(int(self.first[-1]), np.int64)
        place[order] = np.arange(len(order)) // ROWS
        return Found(
            float(np.mean(repositories)),
            100 * float(self.is_stack[batches].mean(axis=1).std()),
            float(np.abs(np.diff(place)).mean()),
        )


def ours(sample: Sample, directory: Path) -> npt.NDArray[np.int64]:
    """Return our order of an epoch, by where each sequence begins."""
    with tempfile.TemporaryDirectory() as work:
        mixture = f"{work}/MIX.toml"
        weights = {
            name: float(sample.opened.component(name).addresses)
            for name in sample.opened.components
        }
        make_mixture([str(directory)], weights, epochs=1, out=mixture)
        plan = make_plan(load_mixture(mixture), "clm", batch=ROWS)
    sampler, order = Sampler(plan), dict[int, None]()
    numbers = {component.name: i for i, component in enumerate(sample.components)}
    for position in range(int(sample.first[-1]) * 11 // 10):
        location = sampler.locate(position)
        number = numbers[plan.components[location.component].name]
        sequence = int(sample.first[number]) + location.ranges[0].address // LENGTH
        order.setdefault(min(sequence, int(sample.first[number + 1]) - 1), None)
    missing = set(range(int(sample.first[-1]))) - order.keys()
    return np.array([*order, *missing], np.int64)


def of_webdataset(sample: Sample) -> npt.NDArray[np.int64]:
    """Return its order: shards shuffled, then a buffer of 1,000, as its documentation has it."""
    generator = random.Random(0)
    shards = list(range(len(sample.components)))
    generator.shuffle(shards)
    source = (s for i in shards for s in range(int(sample.first[i]), int(sample.first[i + 1])))
    buffered = webdataset.shuffle(1000, initial=100, rng=generator)(source)
    return np.array(list(buffered), np.int64)


def of_mosaicml(sample: Sample) -> npt.NDArray[np.int64]:
    """Return its order, py1e, of shards of 64 MB."""
    count = int(sample.first[-1])
    sizes = [min(MDS_SHARD, count - start) for start in range(0, count, MDS_SHARD)]
    return np.array(ask("mosaicml-streaming", "mosaicml_order", *map(str, sizes)), np.int64)


def measure(data: Path) -> Sequence[Claim]:
    """Judge the three orders."""
    directory = dataset(data).resolve()
    sample = Sample(directory)
    found = {
        "ours": sample.judge(ours(sample, directory)),
        "webdataset": sample.judge(of_webdataset(sample)),
        "mosaicml-streaming": sample.judge(of_mosaicml(sample)),
    }
    for name, each in found.items():
        say(f"{name}: {each}")
    mine = found["ours"]
    claims = []
    for name, goal in (("webdataset", 1.0), ("mosaicml-streaming", 0.9)):
        packages = (name,) if name == "webdataset" else ()
        peer = found[name]
        claims += [
            Claim(
                f"repositories in a batch of 64, beside {name}",
                mine.repositories, peer.repositories, goal, packages,
            ),
            Claim(
                f"deviation of a share between batches, in percent: {name}'s beside ours",
                peer.deviation, mine.deviation, 1.0, packages,
            ),
            # Units are read in one go: what this costs is said, not hidden.
            Claim(
                f"batches between neighbors on disk, in the mean, beside {name}",
                mine.apart, peer.apart, 1.0, packages,
            ),
        ]  # fmt: skip
    return claims


if __name__ == "__main__":
    main("benchmarks.shuffle_quality", measure)
