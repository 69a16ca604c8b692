"""A supervisor as a child process: how it is started, and how it is spoken to."""

import json
import os
import secrets
import select
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manifests.errors import UsageError
from trainer.sandbox.enforcement import OPTIONAL
from trainer.sandbox.limits import Limits

NEEDED = ("mnt", "pid")
"""Namespaces without which nothing is executed."""

FLAGS = {"mnt": "--mount", "pid": "--pid", "net": "--net", "ipc": "--ipc", "uts": "--uts"}

FIRST_UID, UIDS = 1_900_000_000, 1 << 24
"""Users that programs of root run as. Ours: above those that systemd gives out
(systemd.io/UIDS-GIDS)."""

START_SECONDS = 60
"""Seconds that a supervisor may take to start, and longer than a program's wall clock."""

WHY_REFUSED = (
    "programs of a model run only as an unprivileged user in namespaces of their own (pid and "
    "mount), and this system does not allow that"
)


class Died(Exception):
    """A supervisor ended or hung while a program ran."""


class Supervisor:
    """A running supervisor.

    Attributes:
        uid: that programs run as; None for the caller's own in a user namespace.
        namespaces: that it does not share with the caller.
        system_calls: why it has no system call filter; empty if it has one.
    """

    def __init__(self, limits: Limits, packages: tuple[str, ...]) -> None:
        """Start a supervisor.

        Args:
            limits: of each program.
            packages: installed packages that programs may import, besides the standard library.

        Raises:
            UsageError: the system does not allow what is needed.
        """
        if shutil.which("unshare") is None:
            raise UsageError(f"{WHY_REFUSED}: util-linux' `unshare` is not installed")
        self.limits = limits
        self.uid = FIRST_UID + secrets.randbelow(UIDS) if os.geteuid() == 0 else None
        links = {name: os.readlink(f"/proc/self/ns/{name}") for name in FLAGS}
        settings = {
            "limits": asdict(limits),
            "uid": self.uid,
            "packages": packages,
            "directories": [*_python_directories(), *_package_directories(packages)],
            "namespaces": links,
        }
        failures = []
        for wanted in (tuple(FLAGS), NEEDED):
            self._process = _start(wanted, user=self.uid is None)
            try:
                ready = self._exchange(settings, START_SECONDS)
                break
            except Died:
                failures.append(self._failure())
                self.close()
        else:
            raise UsageError(f"{WHY_REFUSED}: {failures[-1]}")
        self.namespaces: list[str] = ready["namespaces"]
        self.system_calls: str = ready["system_calls"]
        if not ready["first"] or not set(NEEDED) <= set(self.namespaces):
            self.close()
            raise UsageError(f"{WHY_REFUSED}: its namespaces are {', '.join(self.namespaces)}")

    def judge(self, program: str) -> dict[str, Any]:
        """Run a program; return its `result` and `cpu_seconds`.

        Raises:
            Died: the supervisor ended or hung; it cannot be used again.
        """
        return self._exchange({"program": program}, self.limits.wall_seconds + START_SECONDS)

    def close(self) -> None:
        """End the supervisor and all processes of its namespaces."""
        self._process.kill()  # `unshare --kill-child` kills the supervisor, and the kernel the rest
        self._process.communicate()

    def _exchange(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a line and return the answer."""
        process = self._process
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise Died from None
        if not select.select([process.stdout], [], [], seconds)[0]:
            raise Died
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise Died
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> str:
        """Return the last line that the process wrote on stderr."""
        self._process.kill()
        _, errors = self._process.communicate()
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "the supervisor ended without a message"


def _start(namespaces: tuple[str, ...], user: bool) -> "subprocess.Popen[bytes]":
    """Start the supervisor's process in new namespaces."""
    command = ["unshare", *(FLAGS[name] for name in namespaces), "--fork", "--kill-child"]
    command += ["--user", "--map-root-user"] if user else []
    command += ["--", os.path.realpath(sys.executable), "-s", "-S", "-B", "-P"]
    ours = [str(Path(__file__).parents[2]), sysconfig.get_path("purelib")]
    return subprocess.Popen(
        [*command, "-m", "trainer.sandbox.supervisor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(ours),
            "OPENBLAS_NUM_THREADS": "1",
        },
        start_new_session=True,  # Ctrl-C in a terminal is for this process
    )


def _python_directories() -> list[str]:
    """Return the directories of the standard library and of the interpreter's own libraries."""
    own = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    paths = {sysconfig.get_path(name, vars=own) for name in ("stdlib", "platstdlib")}
    if library := sysconfig.get_config_var("LIBDIR"):
        paths.add(library)
    return sorted(os.path.realpath(path) for path in paths if os.path.isdir(path))


def _package_directories(packages: tuple[str, ...]) -> list[str]:
    """Return the directories of packages, and of the libraries that their wheels bring."""
    directories = []
    for name in packages:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise UsageError(f"{name}: programs of this task import it, and it is not installed")
        home = spec.submodule_search_locations[0]
        directories += [path for path in (home, f"{home}.libs") if os.path.isdir(path)]
    return directories


assert set(OPTIONAL) | set(NEEDED) == set(FLAGS)
