"""The stream as a PyTorch dataset: the same global batches for any number of ranks and workers."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from manifests.errors import StackpileError, UsageError
from objectives.stream.positions import step_position
from objectives.stream.stream import Stream
from objectives.tasks.batch import Batch


class StreamDataset(IterableDataset[dict[str, Tensor]]):
    """Global batches of `rows` sequences from `position` on; each rank iterates over its rows.

    Row R of step N is the sequence at `position + N * rows + R`, without skipped windows. Rank r
    of w has the r-th of w equal parts of the rows. Workers compute steps in turn, in the order in
    which a DataLoader collects them. For example:

        stream = Stream.open(load_plan("plan.json"))
        data = StreamDataset(stream, rows=64)
        for batch in DataLoader(data, batch_size=None, num_workers=2, pin_memory=True):
            ...  # batch["tokens"], batch["loss_weights"] ...: the arrays of tasks.batch.Batch
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
        """Choose the batches.

        Args:
            stream: the stream.
            rows: sequences of a global batch.
            position: first position of step 0, as `Stream.load_state_dict` returns it.
            steps: number of steps; None for no end.
            rank: rank of this process.
            world: number of processes.
            skipped: windows of positions that are left out; see objectives.stream.positions.

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
        """Return an iterator over the batches, or over those of a worker."""
        worker = get_worker_info()
        return Steps(self, *((0, 1) if worker is None else (worker.id, worker.num_workers)))

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return this rank's part of the batch of a step."""
        rows = self.rows // self.world
        start = step_position(self.position, step, self.rows, self.skipped)
        batch = self.stream.batch(start + self.rank * rows, rows)
        return {name: torch.from_numpy(array) for name, array in batch.arrays().items()}


class Steps(Iterator[dict[str, Tensor]]):
    """An iterator over batches with a state, as torchdata's StatefulDataLoader expects it.

    The state fits the same rows, windows and number of workers. With others, continue from a
    `position` instead; see `StreamDataset`.
    """

    def __init__(self, data: StreamDataset, step: int, stride: int) -> None:
        """Begin at a step; `stride` workers compute steps in turn."""
        self.data, self.step, self.stride = data, step, stride

    def __next__(self) -> dict[str, Tensor]:
        """Return the batch of the next step."""
        if self.data.steps is not None and self.step >= self.data.steps:
            raise StopIteration
        batch = self.data.batch(self.step)
        self.step += self.stride
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "step": self.step,
            "rows": self.data.rows,
            "skipped": [list(window) for window in self.data.skipped],
            "stream": self.data.stream.state_dict(self.data.position),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; UsageError if it is of another stream or of other batches."""
        data, step, rows = self.data, state["step"], state["rows"]
        start = data.stream.load_state_dict(state["stream"])
        skipped = tuple((first, stop) for first, stop in state["skipped"])
        if (rows, skipped) != (data.rows, data.skipped):
            position = step_position(start, step, rows, skipped)
            # A worker does not know how far the other workers are.
            several = f" (the least of all {self.stride} workers' positions)"
            raise UsageError(
                f"state: is of batches of {_described(rows, skipped)}; here they are of "
                f"{_described(data.rows, data.skipped)}: continue with position={position}"
                + (several if self.stride > 1 else "")
            )
        if start != data.position:
            raise UsageError(f"state: did not begin at position {data.position}")
        self.step = step


def _described(rows: int, skipped: Sequence[tuple[int, int]]) -> str:
    """Return a phrase about batches, for an error."""
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
        stream: the stream.
        position: first position of the first batch.
        rows: sequences of a global batch.
        rank: rank of this process.
        world: number of processes.
        workers: processes that compute batches ahead; 0 computes them in this process.
        skipped: windows of positions that are left out; see objectives.stream.positions.

    Raises:
        UsageError: the rows cannot be divided among the processes.
        DataError: a shard is damaged.
    """
    data = StreamDataset(
        stream, rows=rows, position=position, rank=rank, world=world, skipped=skipped
    )
    loader = DataLoader(
        _WorkerDataset(data),
        batch_size=None,
        num_workers=workers,
        worker_init_fn=_set_signal_handlers,
    )
    for tensors in loader if workers else data:
        if isinstance(tensors, Exception):
            raise tensors
        yield Batch(**{name: tensor.numpy() for name, tensor in tensors.items()})


class _WorkerDataset(IterableDataset[dict[str, Tensor] | Exception]):
    """Yields the batches of a dataset, and its error as the last item.

    An error that a worker raises reaches the main process as a traceback in the text of another
    error, without the number and the file of an OSError.
    """

    def __init__(self, data: StreamDataset) -> None:
        self.data = data

    def __iter__(self) -> Iterator[dict[str, Tensor] | Exception]:
        try:
            yield from self.data
        except (StackpileError, OSError) as error:
            yield error


def _set_signal_handlers(_: int) -> None:
    """Ignore signals that reach every process of a terminal or a job: the trainer handles them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
