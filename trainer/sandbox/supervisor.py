"""The supervisor: the first process of a pid namespace, which forks and judges programs.

It reads one JSON object a line from stdin, first its settings and then programs, and answers each
with one line on stdout. It ends when stdin ends. Whatever a program leaves behind is killed before
the next one: signal 9 to every process of the namespace.
"""

import json
import os
import secrets
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from trainer.sandbox import kernel
from trainer.sandbox.confinement import Confinement
from trainer.sandbox.limits import Limits
from trainer.sandbox.program import REFUSED, execute
from trainer.sandbox.root import enter_root, mount_scratch, unmount_scratch
from trainer.sandbox.system_calls import make_filter

PRELOADED = ("collections", "functools", "heapq", "itertools", "math", "random", "re", "typing")
"""Modules that programs import most, imported once for all."""

NOT_CONFINED = "not confined"
"""Result of a program that was not executed, because the kernel refused to confine it."""

REPORT_BYTES = 4096
SHORTEST = 0.01
"""Seconds between two looks at a program's CPU time, at least."""


def main() -> None:
    """Serve programs until stdin ends."""
    settings = json.loads(sys.stdin.buffer.readline())
    system_calls, reason = make_filter()
    for name in (*PRELOADED, *settings["packages"]):
        __import__(name)
    ours = os.environ.pop("PYTHONPATH").split(os.pathsep)
    sys.path[:] = [path for path in sys.path if path not in ours]
    namespaces = {name: os.readlink(f"/proc/self/ns/{name}") for name in settings["namespaces"]}
    own = sorted(name for name, link in namespaces.items() if link != settings["namespaces"][name])
    if "ipc" in own:
        _forbid_system_v_objects()
    enter_root(settings["directories"])
    kernel.forbid_tracing()
    confinement = Confinement(Limits(**settings["limits"]), settings["uid"], system_calls)
    # A program that runs as this process's user could send a signal that has a handler.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _answer({"namespaces": own, "first": os.getpid() == 1, "system_calls": reason})
    for line in sys.stdin.buffer:
        _answer(_judge(json.loads(line)["program"], confinement))


def _forbid_system_v_objects() -> None:
    """Set the numbers of System V objects of this IPC namespace to 0, where the system allows it.

    They take memory that no limit of a process counts, and they outlive a program. The system call
    filter denies them too; this holds without the filter.
    """
    for name, value in (("shmmni", "0"), ("msgmni", "0"), ("sem", "0 0 0 0")):
        with suppress(OSError), open(f"/proc/sys/kernel/{name}", "w") as file:
            file.write(value)


def _answer(value: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")
    sys.stdout.buffer.flush()


def _judge(text: str, confinement: Confinement) -> dict[str, Any]:
    """Run a program; return its result and the CPU seconds of its first process."""
    limits = confinement.limits
    mount_scratch(limits.scratch, confinement.uid or 0)
    nonce = secrets.token_hex(16).encode()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        execute(text, writer, nonce, confinement)
    os.close(writer)
    report, in_time = _wait(child, reader, limits)
    os.close(reader)
    status, cpu = _end_all(child)
    unmount_scratch()
    return {"result": _result(report, nonce, status, in_time), "cpu_seconds": cpu}


def _wait(child: int, reader: int, limits: Limits) -> tuple[bytes, bool]:
    """Read a program's report until its first process ends; tell whether it ended in time.

    The first process may take `limits.cpu_seconds` of CPU time, and `limits.wall_seconds` in all.

    The supervisor exits where stdin is closed, and the kernel then ends the whole namespace.
    """
    os.set_blocking(reader, False)
    descriptor = os.pidfd_open(child)
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    poller.register(reader, select.POLLIN)
    poller.register(sys.stdin.fileno(), 0)  # POLLHUP is always reported
    report, end = b"", time.monotonic() + limits.wall_seconds
    try:
        while (left := end - time.monotonic()) > 0:
            # A process takes no more CPU time than wall clock, but for threads without the GIL.
            left = min(left, max(SHORTEST, limits.cpu_seconds - kernel.cpu_seconds(child)))
            ready = dict(poller.poll(left * 1000))
            if sys.stdin.fileno() in ready:
                sys.exit()
            if descriptor in ready:
                return (report + _read(reader))[:REPORT_BYTES], True
            if reader in ready:
                chunk = _read(reader)
                if not chunk:
                    poller.unregister(reader)
                report = (report + chunk)[:REPORT_BYTES]
            if kernel.cpu_seconds(child) >= limits.cpu_seconds:
                break
        return report, False
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """Return what a pipe holds, up to REPORT_BYTES."""
    try:
        return os.read(descriptor, REPORT_BYTES)
    except BlockingIOError:
        return b""


def _end_all(child: int) -> tuple[int, float]:
    """Kill every process of the namespace but this one; return the child's status and CPU time."""
    status, cpu = 0, 0.0
    while True:
        with suppress(ProcessLookupError):  # the child has ended, and no other is left
            os.kill(-1, signal.SIGKILL)
        try:
            process, ended, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return status, cpu
        if process == child:
            status, cpu = ended, usage.ru_utime + usage.ru_stime


def _result(report: bytes, nonce: bytes, status: int, in_time: bool) -> str:
    """Return `passed`, `timed out`, `failed: WHY`, or `NOT_CONFINED: WHY`."""
    if not in_time:
        return "timed out"
    if os.WIFSIGNALED(status):
        return f"failed: ended by signal {os.WTERMSIG(status)}"
    if os.WEXITSTATUS(status) == 0 and report == nonce:
        return "passed"
    text = report.removeprefix(nonce).decode("utf-8", "replace")
    if os.WEXITSTATUS(status) == REFUSED and report.startswith(nonce):
        return f"{NOT_CONFINED}: {text}"
    return f"failed: {text or 'it exited before its end'}"


if __name__ == "__main__":
    main()
