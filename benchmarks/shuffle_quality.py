"""Measure how well batches are mixed, beside webdataset's buffer and mosaicml-streaming's shuffle.

Each gives an order of the same sequences of one dataset, in batches of 64. The figures of an order
are the number of repositories in a batch, the deviation of The Stack's share between batches, and
the number of batches between neighbors on disk.
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
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from objectives.stream.plan import make_plan
from objectives.stream.sampler import Sampler

BATCHES = 40
"""Number of batches whose repositories are counted."""
MDS_SHARD = (1 << 26) // (2 * LENGTH)
"""Sequences of a shard of mosaicml-streaming, by its default of 64 MB."""


class OrderQuality(NamedTuple):
    """Repositories in a batch, deviation of a share in percent, batches between neighbors."""

    repositories: float
    deviation: float
    apart: float


class Sample:
    """The sequences of a dataset in their order on disk, shard after shard."""

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

    def measure(self, order: npt.NDArray[np.int64]) -> OrderQuality:
        """Measure an order of the sequences: int64 [n]."""
        batches = order[: len(order) // ROWS * ROWS].reshape(-1, ROWS)
        counted = batches[:: max(1, len(batches) // BATCHES)]
        repositories = [len({self.repository(s) for s in batch}) for batch in counted.tolist()]
        place = np.empty(int(self.first[-1]), np.int64)
        place[order] = np.arange(len(order)) // ROWS
        return OrderQuality(
            float(np.mean(repositories)),
            100 * float(self.is_stack[batches].mean(axis=1).std()),
            float(np.abs(np.diff(place)).mean()),
        )


def ours(sample: Sample, directory: Path) -> npt.NDArray[np.int64]:
    """Return our order of an epoch, by the first address of each sequence."""
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
    """Return webdataset's order: shuffled shards, then a buffer of 1,000, as documented."""
    generator = random.Random(0)
    shards = list(range(len(sample.components)))
    generator.shuffle(shards)
    source = (s for i in shards for s in range(int(sample.first[i]), int(sample.first[i + 1])))
    buffered = webdataset.shuffle(1000, initial=100, rng=generator)(source)
    return np.array(list(buffered), np.int64)


def of_mosaicml(sample: Sample) -> npt.NDArray[np.int64]:
    """Return the order py1e of mosaicml-streaming, with shards of 64 MB."""
    count = int(sample.first[-1])
    sizes = [min(MDS_SHARD, count - start) for start in range(0, count, MDS_SHARD)]
    return np.array(ask("mosaicml-streaming", "mosaicml_order", *map(str, sizes)), np.int64)


def measure(data: Path) -> Sequence[Claim]:
    """Measure the three orders."""
    directory = dataset(data).resolve()
    sample = Sample(directory)
    orders = {
        "ours": sample.measure(ours(sample, directory)),
        "webdataset": sample.measure(of_webdataset(sample)),
        "mosaicml-streaming": sample.measure(of_mosaicml(sample)),
    }
    for name, quality in orders.items():
        say(f"{name}: {quality}")
    own = orders["ours"]
    claims = []
    for name, goal in (("webdataset", 1.0), ("mosaicml-streaming", 0.9)):
        packages = (name,) if name == "webdataset" else ()
        peer = orders[name]
        claims += [
            Claim(
                f"repositories in a batch of 64, beside {name}",
                own.repositories, peer.repositories, goal, packages,
            ),
            Claim(
                f"deviation of a share between batches, in percent: {name}'s beside ours",
                peer.deviation, own.deviation, 1.0, packages,
            ),
            # Units are read in one piece, which brings neighbors on disk closer together.
            Claim(
                f"batches between neighbors on disk, in the mean, beside {name}",
                own.apart, peer.apart, 1.0, packages,
            ),
        ]  # fmt: skip
    return claims


if __name__ == "__main__":
    main("benchmarks.shuffle_quality", measure)
