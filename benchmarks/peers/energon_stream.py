"""Megatron-Energon's batches of a blend, shuffled, from our own shards: DATASET WORK.

Its samples are blocks, so it shuffles blocks; a block is cut into sequences as it comes.
"""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from megatron.energon import (
    CrudeSample,
    DefaultTaskEncoder,
    WorkerConfig,
    get_savable_loader,
    get_train_dataset,
    stateless,
)
from megatron.energon.task_encoder import Cooker

from benchmarks.peers.rates import LENGTH, ROWS, tell

BUFFER = 16
"""Blocks of the shuffle buffer: 4 million tokens."""


@stateless
def cook(sample: CrudeSample) -> CrudeSample:
    """Take a block as it is."""
    return sample


class Encoder(DefaultTaskEncoder):
    """Cuts blocks into sequences."""

    cookers = (Cooker(cook),)

    def __init__(self) -> None:
        """Batch them as they are."""
        super().__init__(raw_batch_type=None)

    @stateless
    def encode_sample(self, sample: Any) -> Iterator[Any]:
        """Yield the sequences of a block: int64 [LENGTH]."""
        tokens = sample["tokens.npy"]
        count = len(tokens) // LENGTH
        whole = torch.from_numpy(tokens[: count * LENGTH].astype(np.int64))
        yield from whole.view(count, LENGTH)

    def batch(self, samples: Any) -> Any:
        """Stack sequences: int64 [ROWS, LENGTH]."""
        return torch.stack(samples)

    def encode_batch(self, batch: Any) -> Any:
        """Take a batch as it is."""
        return batch


def batches(dataset: Path, work: Path) -> Iterator[Any]:
    """Yield batches without end."""
    blend = [{"weight": 0.5, "path": str(dataset.resolve())} for _ in range(2)]
    meta = {
        "__module__": "megatron.energon",
        "__class__": "MetadatasetV2",
        "splits": {"train": {"blend": blend}},
    }
    path = work / "energon.yaml"
    path.write_text(json.dumps(meta))
    config = WorkerConfig(rank=0, world_size=1, num_workers=0)
    data = get_train_dataset(
        str(path),
        worker_config=config,
        batch_size=ROWS,
        shuffle_buffer_size=BUFFER,
        max_samples_per_sequence=100,
        task_encoder=Encoder(),
    )
    for _ in itertools.count():
        yield from get_savable_loader(data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    tell(batches(Path(sys.argv[1]), Path(sys.argv[2])))
