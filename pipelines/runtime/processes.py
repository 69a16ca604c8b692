"""Worker processes beneath Beam's in-process engine: they do the rows of one step.

Beam's own worker processes (`--direct_running_mode=multi_processing`) wait forever when one of
them is killed. These processes are forked from multiprocessing's fork server. A process that ends
early fails the job at once, and no process outlives the driver.
"""

import contextlib
import fcntl
import gc
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from manifests.errors import DataError, StackpileError
from pipelines.runtime.step import Row, Step, do_row

KILLED = (
    "a worker process was killed (signal {}); if memory ran out, fewer workers need less "
    "(-- --direct_num_workers=N); the same command continues from here"
)

ENDED = "a worker process ended (exit code {}) before its work was done"


def start_server(*modules: str) -> None:
    """Start the fork server, which imports `modules` in the background, once for all workers.

    Without effect if the server runs. The server and the workers inherit a blocked SIGINT: Ctrl-C
    reaches every process of a terminal, and only the driver handles it and ends its workers.
    """
    multiprocessing.set_forkserver_preload(["pipelines.runtime.fork_server", *modules])
    resource_tracker.ensure_running()  # its start would unblock SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def do_rows(step: Step[Any], rows: Sequence[Row], processes: int) -> Iterator[float]:
    """Do rows in worker processes, and yield the seconds that each row took, as rows end.

    Each process gets a new row when it has done one, the largest rows first.

    Args:
        step: what is done.
        rows: rows of a table of parts; `bytes` is the size of a row, where there is one.
        processes: number of worker processes.

    Raises:
        DataError: a process was killed or ended early.
        Exception: the first exception that a process raised.
    """
    start_server()
    left = iter(sorted(rows, key=lambda row: -int(row.get("bytes") or 0)))
    workers: dict[Connection, multiprocessing.process.BaseProcess] = {}
    try:
        for _ in range(processes):
            ours, process = _start(step)
            workers[ours] = process
            _send(ours, next(left, None))
        while workers:
            for ready in connection.wait(list(workers)):
                assert isinstance(ready, Connection)
                seconds = _receive(ready, workers[ready])
                if seconds is None:
                    workers.pop(ready).join()
                else:
                    yield seconds
                    _send(ready, next(left, None))
    finally:
        for process in workers.values():
            process.kill()
            process.join()


def _start(step: Step[Any]) -> tuple[Connection, multiprocessing.process.BaseProcess]:
    """Start a worker process, and return it with the driver's end of its connection."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    place = dict(os.environ), os.getcwd()
    # A daemon: if the driver leaves without an end of the generator, the process ends with it.
    process = context.Process(target=_serve, args=(theirs, step, *place), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _send(ours: Connection, row: Row | None) -> None:
    """Send a row, or None for the end; `_receive` notices a process that is gone."""
    with contextlib.suppress(BrokenPipeError):
        ours.send(row)


def _receive(ours: Connection, process: multiprocessing.process.BaseProcess) -> float | None:
    """Return the seconds of the row that a process did, or None where it has finished all."""
    try:
        answer = ours.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        code = process.exitcode or 0
        raise DataError((KILLED if code < 0 else ENDED).format(abs(code))) from None
    if isinstance(answer, Exception):
        raise answer
    return None if answer is None else float(answer)


def _serve(
    theirs: Connection, step: Step[Any], environment: Mapping[str, str], directory: str
) -> None:
    """Run a worker process: answer each row with its seconds, and None with None."""
    _end_with_driver()
    # A collection of garbage would copy the pages that the workers share.
    gc.freeze()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            step.setup()
            while (row := theirs.recv()) is not None:
                theirs.send(do_row(step, row))
            step.finish()
            theirs.send(None)
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            theirs.send(_portable(error))


def _end_with_driver() -> None:
    """Let the kernel end this process when the driver ends, even while C code holds the GIL.

    The driver holds the other end of the sentinel pipe and writes nothing to it. When it ends, the
    pipe is closed, and the kernel sends SIGIO, whose default action ends the process.
    """
    driver = multiprocessing.parent_process()
    assert driver is not None
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(driver.sentinel, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(driver.sentinel, fcntl.F_GETFL)
    fcntl.fcntl(driver.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
    if connection.wait([driver.sentinel], timeout=0):
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """Return an exception that every process can unpickle; an unexpected one has its traceback."""
    if isinstance(error, StackpileError):
        return error
    trace = traceback.format_exc()
    if not isinstance(error, OSError):
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error
