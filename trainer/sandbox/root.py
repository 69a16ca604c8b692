"""The root directory that a program sees: read-only copies of system directories, and a scratch.

The root is a tmpfs in the supervisor's own mount namespace. It has the C library's and Python's
directories (read-only), /dev/null, /dev/urandom, and SCRATCH; it has no /proc, no /etc, no home
and no data. A scratch directory is a tmpfs that is mounted anew for each program.
"""

import os
from collections.abc import Iterator, Sequence

from trainer.sandbox import kernel

PLACE = "/sys"
"""Where the root is built: a directory that every Linux has and that the sandbox does not need."""

SCRATCH = "/scratch"
"""Ours: not /tmp, below which Python and its packages may be installed."""

SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64")
DEVICES = ("/dev/null", "/dev/urandom")
SAFE = kernel.NOSUID | kernel.NODEV


def enter_root(directories: Sequence[str]) -> None:
    """Build the root and change into it.

    Args:
        directories: absolute paths that programs may read besides the system's.
    """
    kernel.mount("none", "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    kernel.mount("tmpfs", PLACE, "tmpfs", SAFE, "mode=755,size=1m")
    for path in [*SYSTEM, *directories]:
        _add(path)
    for path in DEVICES:
        os.makedirs(os.path.dirname(PLACE + path), exist_ok=True)
        with open(PLACE + path, "xb"):
            pass
        kernel.mount(path, PLACE + path, None, kernel.BIND)
    os.mkdir(PLACE + SCRATCH)
    if not os.path.lexists(f"{PLACE}/tmp"):
        os.symlink(SCRATCH, f"{PLACE}/tmp")
    mounts = list(_mounts())
    # The file lists mounts in their order: earlier ones at PLACE are hidden by the root.
    first = max(number for number, (path, _) in enumerate(mounts) if path == PLACE)
    for path, options in mounts[first:]:
        if path == PLACE or path.startswith(f"{PLACE}/"):
            flags = kernel.RDONLY | kernel.NOSUID | kernel.BIND | kernel.REMOUNT
            if path.removeprefix(PLACE) not in DEVICES:
                flags |= kernel.NODEV
            if "noexec" in options:
                flags |= kernel.NOEXEC
            kernel.mount("none", path, None, flags)
    os.chroot(PLACE)
    os.chdir("/")


def mount_scratch(size: int, uid: int) -> None:
    """Mount an empty scratch directory of `size` bytes that belongs to `uid`."""
    data = f"mode=700,size={size},nr_inodes=4096,uid={uid},gid={uid}"
    kernel.mount("tmpfs", SCRATCH, "tmpfs", SAFE | kernel.NOEXEC, data)


def unmount_scratch() -> None:
    """Remove the scratch directory's files."""
    kernel.unmount(SCRATCH)


def _add(path: str) -> None:
    """Show a directory or a symbolic link of the system in the root; it may not exist."""
    target = PLACE + path
    if os.path.lexists(target) or not os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
    else:
        os.mkdir(target)
        kernel.mount(path, target, None, kernel.BIND | kernel.RECURSIVE)


def _mounts() -> Iterator[tuple[str, list[str]]]:
    """Yield path and options of each mount of this namespace (proc(5), mountinfo)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split()
            path = fields[4]
            for code in ("040", "011", "012", "134"):
                path = path.replace(f"\\{code}", chr(int(code, 8)))
            yield path, fields[5].split(",")
