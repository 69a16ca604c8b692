"""Reading shards from start to end: ours, by offset, against plain webdataset."""

from collections.abc import Sequence
from pathlib import Path

import webdataset

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.prepared import dataset
from manifests.dataset import Dataset

RUNS = 5
ROUNDS = 20
"""Times that a run reads everything: a small corpus alone would be over too soon to be measured."""

GOAL = 4.0
"""By offset without tarfile was 4.7 times as fast when the format was designed."""


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

    if (counted := ours()) != peer():
        raise AssertionError("the two readers differ in the number of tokens")
    say(f"reading {counted:,} tokens in {len(urls)} shards, {RUNS} x {ROUNDS} times")
    fast, plain = medians(
        RUNS,
        lambda: rate(lambda: sum(ours() for _ in range(ROUNDS))) / 1e6,
        lambda: rate(lambda: sum(peer() for _ in range(ROUNDS))) / 1e6,
    )
    claim = "sequential reading of shards, million tokens a second, against plain webdataset"
    return [Claim(claim, fast, plain, GOAL, ("numpy", "webdataset"))]


if __name__ == "__main__":
    main("benchmarks.read_shards", measure)
