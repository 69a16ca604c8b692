"""The stream as a PyTorch data set: any number of ranks and workers, the same global batches."""

import signal
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from manifests.errors import BadCall
from objectives.batch import Batch
from objectives.skipping import step_position
from objectives.stream import Stream


class StreamDataset(IterableDataset[dict[str, Tensor]]):
    """Global batches of `rows` sequences from `position` on, of which each rank sees its part.

    Row R of step N is the sequence at `position + N * rows + R`, or after what is skipped; rank r
    of w has the r-th w-th of the rows. Workers take steps in turn, which is how a DataLoader
    collects them. In full use:

        stream = Stream.open(load_plan("plan.json"))
        data = StreamDataset(stream, rows=64)
        for batch in DataLoader(data, batch_size=None, num_workers=2, pin_memory=True):
            ...  # batch["tokens"], batch["weights"], ...: the arrays of objectives.batch.Batch
    """

    def __init__(
        self,
        stream: Stream,
        *,
        rows: int,
        position: int = 0,
        steps: int | None = None,
        rank: int = 0,
        world: int = 1,
        skipped: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Say which batches are wanted.

        Args:
            stream: where they come from.
            rows: sequences of the global batch.
            position: where step 0 starts; what `Stream.load_state_dict` returned.
            steps: how many; without end by default.
            rank: of this process.
            world: number of processes.
            skipped: windows of positions that are left out; see objectives.skipping.

        Raises:
            BadCall: the rows cannot be divided among the processes.
        """
        if rows < 1 or rows % world:
            raise BadCall(f"batch: {rows} sequences cannot be divided among {world} processes")
        if not 0 <= rank < world:
            raise BadCall(f"rank: {rank} is not below the world size {world}")
        self.stream, self.rows, self.position, self.steps = stream, rows, position, steps
        self.rank, self.world, self.skipped = rank, world, tuple(skipped)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield the batches, or a worker's share of them."""
        worker = get_worker_info()
        step, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        mine = self.rows // self.world
        while self.steps is None or step < self.steps:
            start = step_position(self.position, step, self.rows, self.skipped)
            batch = self.stream.batch(start + self.rank * mine, mine)
            yield {name: torch.from_numpy(array) for name, array in batch.arrays().items()}
            step += stride


def batches(
    stream: Stream,
    position: int,
    rows: int,
    *,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    skipped: Sequence[tuple[int, int]] = (),
) -> Iterator[Batch]:
    """Yield this rank's part of each global batch from `position` on, without end.

    Args:
        stream: where they come from.
        position: where the first batch starts.
        rows: sequences of the global batch.
        rank: of this process.
        world: number of processes.
        workers: processes that compute batches ahead; 0 computes them here.
        skipped: windows of positions that are left out; see objectives.skipping.

    Raises:
        BadCall: the rows cannot be divided among the processes.
    """
    data = StreamDataset(
        stream, rows=rows, position=position, rank=rank, world=world, skipped=skipped
    )
    if not workers:
        for tensors in data:
            yield _batch(tensors)
        return
    loader = DataLoader(
        data, batch_size=None, num_workers=workers, worker_init_fn=_leave_signals_to_the_trainer
    )
    for tensors in loader:
        yield _batch(tensors)


def _batch(tensors: dict[str, Tensor]) -> Batch:
    return Batch(**{name: tensor.numpy() for name, tensor in tensors.items()})


def _leave_signals_to_the_trainer(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; only the trainer decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
