"""Reading shards: from start to end against plain webdataset, and random documents in batches.

Random documents are compared with slices of one flat memmap of all tokens, which is how Megatron
reads its .bin files.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import webdataset

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.prepared import dataset
from manifests.dataset.component import Component
from manifests.dataset.dataset import Dataset

RUNS = 5
ROUNDS = 20
"""Times that a run reads everything, because a small corpus is read too quickly to be measured."""

GOAL = 4.0
"""Ours: the design of the format measured 4.7 times the rate of plain webdataset."""

BATCH = 512
"""Documents of a component in a request."""
BATCHES = 20
GATHER_GOAL = 1.0
"""Ours: no slower than slices of a flat file, although shards are checked and split in blocks."""


def measure(data: Path) -> Sequence[Claim]:
    """Read every token of every component, page cache warm, one core."""
    directory = dataset(data)
    opened = Dataset.open(str(directory))
    blocks = {
        opened.component(name).reader: len(opened.block_range(opened.shard_range(name, False)))
        for name in opened.components
    }
    listed = opened.shards.select(["shard", "heldout"]).to_pylist()
    urls = [str(directory / row["shard"]) for row in listed if not row["heldout"]]

    def ours() -> int:
        tokens = 0
        for reader, count in blocks.items():
            for block in range(count):
                tokens += len(reader.tokens(block, 0, int(reader.offsets(block)[-1])))
        return tokens

    def peer() -> int:
        samples = webdataset.WebDataset(urls, shardshuffle=False).decode()
        return sum(len(sample["tokens.npy"]) for sample in samples)

    def gathered() -> int:
        return sum(
            len(component.gather(numbers).tokens)
            for component, batches in requests
            for numbers in batches
        )

    def sliced() -> int:
        tokens = 0
        for component, batches in requests:
            memmap, starts = flat[component.name]
            for numbers in batches:
                pairs = zip(starts[numbers].tolist(), starts[numbers + 1].tolist(), strict=True)
                tokens += len(np.concatenate([memmap[start:stop] for start, stop in pairs]))
        return tokens

    generator = np.random.default_rng(0)
    components = [opened.component(name) for name in opened.components]
    requests = [
        (component, generator.integers(0, component.documents, (BATCHES, BATCH)))
        for component in components
    ]
    if (counted := ours()) != peer():
        raise AssertionError("the two readers differ in the number of tokens")
    say(f"reading {counted:,} tokens in {len(urls)} shards, {RUNS} x {ROUNDS} times")
    with tempfile.TemporaryDirectory() as folder:
        flat = {component.name: _flat(component, Path(folder)) for component in components}
        if (count := gathered()) != sliced():
            raise AssertionError("the two readers differ in the tokens of documents")
        say(f"gathering {count:,} tokens of random documents, {RUNS} x {ROUNDS} times")
        fast, plain, random, slices = medians(
            RUNS,
            lambda: rate(lambda: sum(ours() for _ in range(ROUNDS))) / 1e6,
            lambda: rate(lambda: sum(peer() for _ in range(ROUNDS))) / 1e6,
            lambda: rate(lambda: sum(gathered() for _ in range(ROUNDS))) / 1e6,
            lambda: rate(lambda: sum(sliced() for _ in range(ROUNDS))) / 1e6,
        )
    warm = "page cache warm, one core"
    return [
        Claim(
            f"sequential reading of shards, million tokens a second, {warm}: against plain "
            "webdataset",
            fast,
            plain,
            GOAL,
            ("numpy", "webdataset"),
        ),
        Claim(
            f"random documents in batches of {BATCH}, million tokens a second, {warm}: against "
            "slices of a flat memmap",
            random,
            slices,
            GATHER_GOAL,
            ("numpy", "numba"),
        ),
    ]


def _flat(component: Component, folder: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Write the tokens of a component to one file; return its memmap and the documents' starts."""
    documents = list(component.read_documents())
    path = folder / component.name.replace("/", "_")
    np.concatenate(documents).tofile(path)
    starts = np.cumsum([0, *(len(document) for document in documents)])
    return np.memmap(path, component.dtype, "r"), starts


if __name__ == "__main__":
    main("benchmarks.read_shards", measure)
