"""Calls of the Linux kernel that Python has no function for, through the C library."""

import ctypes
import os
import time

RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
"""Mount flags (mount(2)): read-only, without set-user-id programs, devices, or programs."""
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18

DETACH = 2
"""Flag of umount2(2): unmount when nothing uses the file system any more."""

DROP_BOUNDING, DUMPABLE, NO_NEW_PRIVILEGES = 24, 4, 38
"""Options of prctl(2)."""

CAPABILITY_VERSION_3 = 0x20080522
"""Version of the structures of capset(2)."""

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount `source` of file system type `kind` at `target`; OSError if the kernel refuses."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    if _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode()):
        raise OSError(*_failure(f"mount {source} at {target}"))


def unmount(target: str) -> None:
    """Unmount what is mounted at `target`; OSError if the kernel refuses."""
    if _libc.umount2(os.fsencode(target), DETACH):
        raise OSError(*_failure(f"unmount {target}"))


def limit_capabilities() -> None:
    """Remove every capability from the bounding set, so that no program regains one."""
    number = 0
    while _libc.prctl(DROP_BOUNDING, number, 0, 0, 0) == 0:
        number += 1
    if not number:
        raise OSError(*_failure("drop the bounding set"))


def drop_capabilities() -> None:
    """Give up every capability of the calling process."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(*_failure("drop capabilities"))


def forbid_new_privileges() -> None:
    """Make set-user-id programs run without their privileges, from now on and for children."""
    if _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(*_failure("forbid new privileges"))


def forbid_tracing() -> None:
    """Keep processes without capabilities from reading this process's memory, and children's."""
    if _libc.prctl(DUMPABLE, 0, 0, 0, 0):
        raise OSError(*_failure("forbid tracing"))


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a process, as exact as the scheduler counts it; 0 if it has ended.

    The kernel's own limit (RLIMIT_CPU) counts ticks, which may differ by a tenth.
    """
    clock = ctypes.c_int()
    if _libc.clock_getcpuclockid(process, ctypes.byref(clock)):
        return 0.0
    try:
        return time.clock_gettime(clock.value)
    except OSError:
        return 0.0


def _failure(what: str) -> tuple[int, str]:
    number = ctypes.get_errno()
    return number, f"{what}: {os.strerror(number)}"
