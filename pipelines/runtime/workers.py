"""The engine's side of `worker.py`: starts the process that forks workers, asks it for them.

Nothing but the standard library is imported here, so that a command starts it before all else.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

ENGINE = "FnApiRunner"
"""Beam's name for the engine whose workers these are."""

COUNT = "--direct_num_workers"
"""Beam's option for their number."""

Ended = Callable[[int], None]
"""Is told the exit code of a worker; negative, the number of the signal that ended it."""


class Workers:
    """The process that forks workers, and the workers that it forked."""

    def __init__(self) -> None:
        """Start the process; it is ready in about a second."""
        self._connection, theirs = socket.socketpair()
        command = [sys.executable, "-m", "pipelines.runtime.worker", str(theirs.fileno())]
        # Threads do not survive a fork; OpenBLAS would start some while it is imported.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment
        )
        theirs.close()
        self._lock = threading.Lock()
        self._running: dict[str, Ended] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def process(self) -> int:
        """The process that forks."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked for workers."""
        return self._process.poll() is None

    def add(self, worker: str, environment: dict[str, str], ended: Ended) -> None:
        """Ask for a worker; `ended` is called once, in another thread."""
        with self._lock:
            self._running[worker] = ended
        request = {
            "worker": worker,
            "environment": {**os.environ, **environment},
            "directory": os.getcwd(),
        }
        self._connection.sendall(json.dumps(request).encode() + b"\n")

    def close(self) -> None:
        """End the process, and what is left of its workers."""
        if self._running:
            self._connection.shutdown(socket.SHUT_WR)
        else:
            self._process.kill()
        self._process.wait()
        self._connection.close()

    def _listen(self) -> None:
        with self._connection.makefile("rb") as answers:
            for line in answers:
                worker, code = json.loads(line)
                self._end(worker, code)
        for worker in list(self._running):
            self._end(worker, self._process.wait())

    def _end(self, worker: str, code: int) -> None:
        with self._lock:
            ended = self._running.pop(worker)
        ended(code)


def several(options: Sequence[str]) -> bool:
    """Tell whether Beam's options ask for more than one worker; by default, one for each core."""
    given = [option.partition("=")[2] for option in options if option.startswith(COUNT)]
    return given[-1] != "1" if given else (os.cpu_count() or 1) > 1


_started: list[Workers] = []


def started() -> Workers:
    """Return this process's workers; the first call starts what forks them."""
    if not _started or not _started[-1].alive:
        if not _started:
            atexit.register(_close)
        _started[:] = [Workers()]
    return _started[-1]


def _close() -> None:
    for workers in _started:
        workers.close()
