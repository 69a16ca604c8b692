"""litdata's batches of a mixture, shuffled: WORK, which holds GROUP.npy files."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from litdata import CombinedStreamingDataset, StreamingDataLoader, StreamingDataset, TokensLoader
from litdata.streaming.cache import Cache

from benchmarks.peers.rates import GROUPS, LENGTH, ROWS, tell

CHUNK = 1 << 23
"""Tokens of a chunk."""


def prepare(work: Path, group: str) -> Path:
    """Write the chunks of a group, as `litdata.optimize` does in its workers."""
    directory = work / f"litdata-{group}"
    if not (directory / "index.json").exists():
        loader = TokensLoader(block_size=LENGTH)
        cache = Cache(str(directory), chunk_size=CHUNK, item_loader=loader)
        flat = np.load(work / f"{group}.npy")
        for number, start in enumerate(range(0, len(flat), 1 << 18)):
            piece = flat[start : start + (1 << 18)].astype(np.int32)
            cache[number] = torch.from_numpy(piece)
        cache.done()
        cache.merge()
    return directory


def batches(work: Path) -> Iterator[Any]:
    """Yield batches without end: int64 [ROWS, LENGTH]."""
    datasets = [
        StreamingDataset(
            str(prepare(work, group)), item_loader=TokensLoader(block_size=LENGTH), shuffle=True
        )
        for group in GROUPS
    ]
    mixed = CombinedStreamingDataset(
        datasets, seed=0, weights=[1 / len(GROUPS)] * len(GROUPS), iterate_over_all=False
    )
    while True:
        for batch in StreamingDataLoader(mixed, batch_size=ROWS, num_workers=0, drop_last=True):
            yield batch.long()


if __name__ == "__main__":
    torch.set_num_threads(1)
    tell(batches(Path(sys.argv[1])))
