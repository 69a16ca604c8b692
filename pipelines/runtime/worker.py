"""The workers of the in-process engine: one process imports what they need, and then forks them.

Beam alone takes half a second to import. A process that has done it once makes a worker in
milliseconds, for every pipeline of a command, and it imports while the engine does (`workers.py`
starts it first of all). When it forks it has one thread (beside that of Arrow's allocator, which
prepares itself), and no connection but the engine's.
"""

import contextlib
import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from types import FrameType
from typing import Any

SECONDS = 1
"""Between two looks at whether the process that forked a worker is still there."""


def main() -> None:
    """Fork a worker for each line that the engine sends, and tell it which have ended."""
    # On Ctrl-C the engine speaks to the user, and leaves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _load()
    Server(socket.socket(fileno=int(sys.argv[1]))).run()


def _load() -> None:
    """Import what the first job's workers need, and load the kernels."""
    gc.disable()
    # Before the import: Beam logs while it is imported, and configures logging as it starts. What
    # goes wrong is raised where the engine runs, too.
    logging.disable(logging.CRITICAL)
    from apache_beam.runners.worker import sdk_worker_main  # noqa: F401

    from pipelines.license_filter import step

    step.warm_up()
    # Workers share these objects: a collection that touches them would copy their pages.
    gc.freeze()
    gc.enable()


class Server:
    """Forks on request until the engine hangs up, and takes the workers along when it goes."""

    def __init__(self, connection: socket.socket) -> None:
        """Serve the engine at the other end of `connection`."""
        self._connection = connection
        self._ended, self._wake = socket.socketpair()
        self._workers: dict[int, str] = {}
        self._said = b""

    def run(self) -> None:
        """Serve until the engine is gone."""
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, _note)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._ended in ready:
                    self._ended.recv(4096)
                    self._tell_ended()
                if self._connection in ready and not self._hear():
                    break
        for process in self._workers:
            os.kill(process, signal.SIGKILL)

    def _hear(self) -> bool:
        data = self._connection.recv(1 << 16)
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            self._workers[self._fork(request)] = request["worker"]
        return bool(data)

    def _fork(self, request: dict[str, Any]) -> int:
        server, process = os.getpid(), os.fork()
        if process:
            return process
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for connection in (self._connection, self._ended, self._wake):
                connection.close()
            _work(request, server)
            os._exit(0)
        except BaseException:
            # The engine learns of an exit code, and no more.
            traceback.print_exc()
        finally:
            os._exit(1)

    def _tell_ended(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended = [self._workers.pop(found[0]), os.waitstatus_to_exitcode(found[1])]
                # An engine that is gone is noticed by `_hear`.
                with contextlib.suppress(OSError):
                    self._connection.sendall(json.dumps(ended).encode() + b"\n")


def _work(request: dict[str, Any], server: int) -> None:
    """Be a worker, in the environment and directory of the engine, until the engine is done."""
    signal.signal(signal.SIGINT, _leave)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    threading.Thread(target=_leave_with, args=[server], daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])


def _note(number: int, frame: FrameType | None) -> None:
    """A handler, so that the signal reaches the wakeup descriptor."""


def _leave(number: int, frame: FrameType | None) -> None:
    """On Ctrl-C the engine speaks to the user; a worker has nothing to add."""
    os._exit(0)


def _leave_with(server: int) -> None:
    """End when the server was killed: nobody else would end its workers."""
    while os.getppid() == server:
        time.sleep(SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
