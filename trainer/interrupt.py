"""SIGINT and SIGTERM during training: the run writes a checkpoint and stops."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from manifests.errors import StackpileError


class Interrupted(StackpileError):
    """A signal stopped the run; a checkpoint has its last update."""

    exit_code = 130


@contextmanager
def catch_stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGINT or SIGTERM was received in the block.

    A second signal kills the process. Under torchrun, further signals are ignored, because torchrun
    sends each process the signals that the terminal has already sent it.
    """
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            signal.signal(number, previous[signal.Signals(number)])

    stop_signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, note) for number in stop_signals}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
