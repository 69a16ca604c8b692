"""The system call filter: calls that reach outside a process or into rarely used kernel code.

The filter is libseccomp's, through pyseccomp. Without the library programs run unfiltered, and
`enforcement` says so: namespaces, limits and the unprivileged user hold without the filter.
"""

from typing import Any

DENIED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "perf_event_open"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_by_handle_at"),
    *("socket", "bpf", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("keyctl", "add_key", "request_key", "personality", "quotactl", "acct", "swapon", "swapoff"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    *("settimeofday", "clock_settime", "adjtimex", "sethostname", "setdomainname", "syslog"),
    *("sched_setaffinity", "ioprio_set", "migrate_pages", "move_pages", "fanotify_init"),
    *("shmget", "shmat", "msgget", "semget", "memfd_create"),
)
"""Calls that fail with EPERM. Ours: what Docker's default profile denies without capabilities, what
a program can use on another process of its user, and memory that no limit of a process counts."""

NEW_USER_NAMESPACE = 0x10000000
"""CLONE_NEWUSER of clone(2)."""


def make_filter() -> tuple[Any, str]:
    """Return the filter and an empty text, or None and why there is none.

    The filter's `load()` binds the calling process and its children.
    """
    import errno

    try:
        import pyseccomp
    except (ImportError, RuntimeError) as error:  # RuntimeError: libseccomp.so is missing
        return None, f"pyseccomp does not load: {error}"
    denied = pyseccomp.ERRNO(errno.EPERM)
    built = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    try:
        for name in DENIED:
            built.add_rule(denied, name)
        # prlimit(2) of another process; getrlimit and setrlimit pass 0.
        built.add_rule(denied, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))
        masked = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, NEW_USER_NAMESPACE, NEW_USER_NAMESPACE)
        built.add_rule(denied, "clone", masked)
        # A filter cannot read clone3's flags; the C library then falls back to clone.
        built.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    except OSError as error:
        return None, f"libseccomp refuses the filter: {error}"
    return built, ""
