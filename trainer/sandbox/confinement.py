"""What a forked child gives up before it executes a program."""

import os
import resource
from dataclasses import dataclass
from typing import Any

from trainer.sandbox import kernel
from trainer.sandbox.limits import Limits

OPEN_FILES = 64
"""Ours: more than a program of a benchmark opens."""

GRACE = 1
"""CPU seconds by which the kernel's limit is above the supervisor's, which is more exact."""


@dataclass(frozen=True)
class Confinement:
    """How programs are confined.

    Attributes:
        limits: of each program.
        uid: user and group that programs run as; None to keep the user, which is not root then.
        system_calls: the filter of `make_filter`, or None.
    """

    limits: Limits
    uid: int | None
    system_calls: Any

    def apply(self) -> None:
        """Confine the calling process for good; OSError where the kernel refuses a step."""
        limits = self.limits
        for kind, value in (
            (resource.RLIMIT_CPU, limits.cpu_seconds + GRACE),
            (resource.RLIMIT_AS, limits.memory),
            (resource.RLIMIT_FSIZE, limits.file_size),
            (resource.RLIMIT_NPROC, limits.processes),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MEMLOCK, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
        ):
            resource.setrlimit(kind, (value, value))
        kernel.limit_capabilities()
        if self.uid is not None:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)
        kernel.drop_capabilities()
        kernel.forbid_new_privileges()
        if self.system_calls is not None:
            self.system_calls.load()
