"""A source of batches for `trainer.train.train` that records them and can disturb a run."""

from collections.abc import Callable, Iterator
from typing import Any

from objectives.stream.stream import Stream
from objectives.stream.torch_dataset import batches
from objectives.tasks.batch import Batch


class Recorder:
    """Hands over the batches of the stream, and does `how` before the one of update `after` + 1."""

    def __init__(self, after: int = -1, how: Callable[[], object] = lambda: None) -> None:
        self.after, self.how = after, how
        self.batches: list[Batch] = []

    def __call__(self, stream: Stream, position: int, rows: int, **options: Any) -> Iterator[Batch]:
        for made, batch in enumerate(batches(stream, position, rows, **options)):
            if made == self.after:
                self.how()
            self.batches.append(batch)
            yield batch

    @property
    def content(self) -> list[tuple[bytes, bytes]]:
        """The tokens and loss weights of each batch."""
        return [(batch.tokens.tobytes(), batch.loss_weights.tobytes()) for batch in self.batches]


def kill() -> None:
    """End a run as a process that is killed: without a last checkpoint."""
    raise MemoryError
