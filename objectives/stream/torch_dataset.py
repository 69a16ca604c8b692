"""The stream as a PyTorch data set: any number of ranks and workers, the same global batches."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from manifests.errors import UsageError
from objectives.stream.skip import step_position
from objectives.stream.stream import Stream
from objectives.tasks.batch import Batch


class StreamDataset(IterableDataset[dict[str, Tensor]]):
    """Global batches of `rows` sequences from `position` on, of which each rank sees its part.

    Row R of step N is the sequence at `position + N * rows + R`, or after what is skipped; rank r
    of w has the r-th w-th of the rows. Workers take steps in turn, which is how a DataLoader
    collects them. In full use:

        stream = Stream.open(load_plan("plan.json"))
        data = StreamDataset(stream, rows=64)
        for batch in DataLoader(data, batch_size=None, num_workers=2, pin_memory=True):
            ...  # batch["tokens"], batch["loss_weights"], ...: the arrays of tasks.batch.Batch
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
            skipped: windows of positions that are left out; see objectives.stream.skip.

        Raises:
            UsageError: the rows cannot be divided among the processes.
        """
        if rows < 1 or rows % world:
            raise UsageError(f"batch: {rows} sequences cannot be divided among {world} processes")
        if not 0 <= rank < world:
            raise UsageError(f"rank: {rank} is not below the world size {world}")
        self.stream, self.rows, self.position, self.steps = stream, rows, position, steps
        self.rank, self.world = rank, world
        self.skipped = tuple((first, stop) for first, stop in skipped)

    def __iter__(self) -> "Steps":
        """Return the batches, or a worker's share of them."""
        worker = get_worker_info()
        return Steps(self, *((0, 1) if worker is None else (worker.id, worker.num_workers)))

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return this rank's part of the batch of a step."""
        mine = self.rows // self.world
        start = step_position(self.position, step, self.rows, self.skipped)
        batch = self.stream.batch(start + self.rank * mine, mine)
        return {name: torch.from_numpy(array) for name, array in batch.arrays().items()}


class Steps(Iterator[dict[str, Tensor]]):
    """Batches one after the other, and where they are: what torchdata's StatefulDataLoader keeps.

    With the same rows, windows and number of workers it goes on where it was, at no cost. A
    `position` says as much, whatever has changed of them: see `StreamDataset`.
    """

    def __init__(self, data: StreamDataset, step: int, stride: int) -> None:
        """Begin at a step; `stride` workers take steps in turn."""
        self.data, self.step, self.stride = data, step, stride

    def __next__(self) -> dict[str, Tensor]:
        """Return the batch of the next step."""
        if self.data.steps is not None and self.step >= self.data.steps:
            raise StopIteration
        batch = self.data.batch(self.step)
        self.step += self.stride
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {
            "step": self.step,
            "rows": self.data.rows,
            "skipped": [list(window) for window in self.data.skipped],
            "stream": self.data.stream.state_dict(self.data.position),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; UsageError where it is of another stream, or its steps are others."""
        data, step, rows = self.data, state["step"], state["rows"]
        start = data.stream.load_state_dict(state["stream"])
        skipped = tuple((first, stop) for first, stop in state["skipped"])
        if (rows, skipped) != (data.rows, data.skipped):
            position = step_position(start, step, rows, skipped)
            # A worker knows where its own next step begins, and not how far the others are.
            several = f" (the least of all {self.stride} workers' positions)"
            raise UsageError(
                f"state: is of batches of {_described(rows, skipped)}; here they are of "
                f"{_described(data.rows, data.skipped)}: go on with position={position}"
                + (several if self.stride > 1 else "")
            )
        if start != data.position:
            raise UsageError(f"state: began at another position than {data.position}")
        self.step = step


def _described(rows: int, skipped: Sequence[tuple[int, int]]) -> str:
    windows = ", ".join(f"{first} to {stop}" for first, stop in skipped)
    return f"{rows} rows" + (f" that skip {windows}" if windows else "")


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
        skipped: windows of positions that are left out; see objectives.stream.skip.

    Raises:
        UsageError: the rows cannot be divided among the processes.
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
