"""The lease of a run's directory: only the trainer that holds it writes there.

An evaluation holds the lease of its directory in the same way.

The leases of a directory are numbered files, `lease/NUMBER.json`; the largest number holds. The
holder touches its file every RENEWAL seconds. A second trainer watches the file: if it is touched,
the holder is alive and the second trainer stops. If it stays as it is for EXPIRY seconds of the
second trainer's monotonic clock, the holder is dead, and the second trainer creates the file of the
next number. Only one process can create a file, so only one trainer can take over. A holder that
sees a larger number has lost its lease and stops before it writes.

The clocks of machines are never compared: a changed modification time means a renewal, whatever the
time is. The file system must create a file exclusively and show it to all machines at once; the
tests show this for several processes of one machine.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manifests.errors import StackpileError, UsageError

if TYPE_CHECKING:  # torch, which a process that only watches a lease does not need
    from trainer.parallel import DistributedContext

RENEWAL = 5.0
"""Seconds between two renewals. Ours: six renewals before a lease expires."""

EXPIRY = 30.0
"""Seconds without a renewal after which a holder counts as dead. Ours: a restarted job waits at
most half a minute."""


class LeaseLostError(StackpileError):
    """Another trainer has taken over the directory of the run."""

    exit_code = 1


class Lease:
    """A lease that this process holds; `hold` makes it."""

    def __init__(self, directory: Path, number: int) -> None:
        """Hold the lease of a number."""
        self._directory, self._number = directory, number
        self._released = threading.Event()

    @property
    def path(self) -> Path:
        """The file of the lease."""
        return _path(self._directory, self._number)

    def check(self) -> None:
        """Raise LeaseLostError if another trainer has taken over."""
        if _numbers(self._directory)[-1:] != [self._number]:
            raise LeaseLostError(
                f"{self._directory.parent}: another process has taken over, because this one "
                "did not renew its lease in time"
            )

    def renew(self, interval: float) -> None:
        """Touch the file of the lease every `interval` seconds until `release`."""
        while not self._released.wait(interval):
            with suppress(OSError):  # taken over, as `check` notices, or a file system that fails
                os.utime(self.path)

    def release(self) -> None:
        """Mark the lease as free, unless it is lost.

        The mark is written over the file's content and fills its length, in one write: a full disk
        has no room for another file, and a reader sees the old content or the new one.
        """
        self._released.set()
        with suppress(FileNotFoundError), open(self.path, "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            file.write(json.dumps({"released": True}).encode().ljust(size))


@contextmanager
def hold(run: str, renewal: float = RENEWAL, expiry: float = EXPIRY) -> Iterator[Lease]:
    """Hold the lease of a run's directory until the block ends.

    Args:
        run: the directory of the run.
        renewal: seconds between two renewals.
        expiry: seconds without a renewal after which another holder counts as dead.

    Raises:
        UsageError: another trainer holds the lease.
    """
    directory = Path(run) / "lease"
    directory.mkdir(parents=True, exist_ok=True)
    lease = Lease(directory, _acquire(directory, renewal, expiry))
    renewing = threading.Thread(target=lease.renew, args=(renewal,), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        lease.release()
        renewing.join()


@contextmanager
def exclusive(run: str, context: "DistributedContext") -> Iterator[Lease | None]:
    """Hold the lease of a run's directory in the process of rank 0; every process calls it.

    Raises:
        UsageError: in every process, if another trainer holds the lease.
    """
    with ExitStack() as stack:
        lease, refusal = None, None
        if context.rank == 0:
            try:
                lease = stack.enter_context(hold(run))
            except UsageError as error:
                refusal = error
        if context.any(refusal is not None):
            raise refusal or UsageError(f"{run}: another process is at work on it")
        yield lease


def _acquire(directory: Path, renewal: float, expiry: float) -> int:
    """Create the lease of the next number once the last holder is gone; return the number."""
    while True:
        last = (_numbers(directory) or [0])[-1]
        if last:
            _wait_for_end(directory, last, renewal, expiry)
        number = last + 1
        try:
            with open(_path(directory, number), "x") as file:
                json.dump(_this_process(), file)
        except FileExistsError:
            continue
        # A trainer that was slow may create a number that others have already passed and removed.
        if _numbers(directory)[-1] == number:
            for old in _numbers(directory)[:-1]:
                _path(directory, old).unlink(missing_ok=True)
            return number
        _path(directory, number).unlink(missing_ok=True)


def _wait_for_end(directory: Path, number: int, renewal: float, expiry: float) -> None:
    """Return once the holder of a lease is gone; UsageError if the holder is alive."""
    path = _path(directory, number)
    first, watched_since = _modified(path), time.monotonic()
    while time.monotonic() - watched_since < expiry:
        holder = _read(path)
        if first is None or holder.get("released") or _is_dead(holder):
            return
        time.sleep(min(renewal, expiry) / 10)
        if (now := _modified(path)) not in (None, first) and not _read(path).get("released"):
            raise UsageError(
                f"{directory.parent}: another process is at work on it (process "
                f"{holder.get('process', '?')} on {holder.get('host', '?')}); wait for its end, or "
                "stop it"
            )
        if now is None:
            return


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "machine": _machine(), "process": os.getpid()}


def _machine() -> str | None:
    """Return a name of this machine's boot and process namespace; None if there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _is_dead(holder: dict[str, Any]) -> bool:
    """Tell whether a holder was a process of this machine that has ended."""
    if holder.get("machine") is None or holder["machine"] != _machine():
        return False
    try:
        os.kill(int(holder["process"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError, KeyError):
        pass
    return False


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}.json"


def _numbers(directory: Path) -> list[int]:
    """Return the numbers of the leases, ascending."""
    return sorted(int(path.stem) for path in directory.glob("*.json") if path.stem.isdigit())


def _modified(path: Path) -> int | None:
    """Return the modification time of a file in nanoseconds; None if it does not exist."""
    try:
        with open(path, "rb") as file:  # opened, so that NFS asks its server
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a lease; empty while it is being written."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
