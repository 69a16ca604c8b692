"""Signals that stop a run: it writes a checkpoint and ends.

The run ends after the update that is being made, and after one checkpoint: these two durations are
the grace period that a scheduler must give. SIGUSR1 is for schedulers that announce the end of a
job, as `sbatch --signal=USR1@120` does 120 seconds before it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from manifests.errors import StackpileError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""The signals that stop a run."""


class Interrupted(StackpileError):
    """A signal stopped the run; a checkpoint has its last update."""

    exit_code = 130


@contextmanager
def catch_stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a signal of STOP_SIGNALS was received in the block.

    A second signal of the same number kills the process. Under torchrun, further signals are
    ignored, because torchrun sends each process the signals that the terminal has already sent it.
    """
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            signal.signal(number, previous[signal.Signals(number)])

    previous = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
