"""mosaicml-streaming's batches of a mixture, shuffled: WORK, which holds GROUP.npy files.

Run by the Python of its own environment.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from streaming import MDSWriter, Stream, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch.utils.data import DataLoader

from benchmarks.peers.rates import BATCHES, GROUPS, LENGTH, ROWS, tell

COLUMN = f"ndarray:uint16:{LENGTH}"


def prepare(work: Path, group: str) -> Path:
    """Write a group as samples of one sequence each, as llm-foundry does."""
    directory = work / f"mds-{group}"
    if not (directory / "index.json").exists():
        flat = np.load(work / f"{group}.npy")
        with MDSWriter(out=str(directory), columns={"tokens": COLUMN}) as out:
            for row in flat[: len(flat) // LENGTH * LENGTH].reshape(-1, LENGTH):
                out.write({"tokens": row})
    return directory


def collate(samples: list[dict[str, Any]]) -> torch.Tensor:
    """Stack sequences: int64 [ROWS, LENGTH]."""
    return torch.from_numpy(np.stack([sample["tokens"] for sample in samples]).astype(np.int64))


def batches(work: Path) -> Iterator[Any]:
    """Yield batches without end."""
    streams = [Stream(local=str(prepare(work, group)), proportion=0.5) for group in GROUPS]
    data = StreamingDataset(
        streams=streams,
        shuffle=True,
        batch_size=ROWS,
        num_canonical_nodes=1,
        epoch_size=ROWS * BATCHES,
    )
    while True:
        yield from DataLoader(data, batch_size=ROWS, collate_fn=collate, drop_last=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    clean_stale_shared_memory()
    tell(batches(Path(sys.argv[1])))
