"""Reading shards: from start to end against plain webdataset, and random documents in batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import webdataset

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.prepared import dataset
from manifests.dataset.dataset import Dataset

RUNS = 5
ROUNDS = 20
"""Times that a run reads everything: a small corpus alone would be over too soon to be measured."""

GOAL = 4.0
"""By offset without tarfile was 4.7 times as fast when the format was designed."""

BATCH = 512
"""Documents of a component that are asked for at once."""
BATCHES = 20
GATHERED = 250.0
"""Million tokens a second: what random documents are to be had at. webdataset has none to compare
with: it reads only from start to end."""


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
        tokens = 0
        for component, batches in wanted:
            for numbers in batches:
                tokens += len(component.gather(numbers).tokens)
        return tokens

    generator = np.random.default_rng(0)
    components = [opened.component(name) for name in opened.components]
    wanted = [
        (component, generator.integers(0, component.documents, (BATCHES, BATCH)))
        for component in components
    ]
    if (counted := ours()) != peer():
        raise AssertionError("the two readers differ in the number of tokens")
    say(f"reading {counted:,} tokens in {len(urls)} shards, {RUNS} x {ROUNDS} times")
    say(f"gathering {gathered():,} tokens of random documents, {RUNS} times")
    fast, plain, random = medians(
        RUNS,
        lambda: rate(lambda: sum(ours() for _ in range(ROUNDS))) / 1e6,
        lambda: rate(lambda: sum(peer() for _ in range(ROUNDS))) / 1e6,
        lambda: rate(gathered) / 1e6,
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
            "what was asked for",
            random,
            GATHERED,
            1.0,
            ("numpy", "numba"),
        ),
    ]


if __name__ == "__main__":
    main("benchmarks.read_shards", measure)
