"""What a system enforces when programs run, and what it does not."""

from dataclasses import dataclass

from trainer.sandbox.limits import Limits

OPTIONAL = {
    "net": "no network: programs have a network namespace of their own without an interface",
    "ipc": "no System V objects and message queues of other processes",
    "uts": "a host name of their own",
}
"""Namespaces that may be missing, and what each enforces."""

NEVER = (
    "the total CPU time of a program's processes: each process has its own limit, and the wall "
    "clock ends them all",
    "the tests' independence: they run in the program's own interpreter, so a program that was "
    "written against this harness can mark itself as passed",
)
"""What no system enforces."""


@dataclass(frozen=True)
class Enforcement:
    """What was checked when the sandbox started.

    Attributes:
        enforced: sentences.
        not_enforced: sentences.
    """

    enforced: list[str]
    not_enforced: list[str]

    @classmethod
    def of(
        cls,
        limits: Limits,
        workers: int,
        uid: int | None,
        namespaces: list[str],
        system_calls: str,
    ) -> "Enforcement":
        """Return the enforcement of a started sandbox.

        Args:
            limits: of each program.
            workers: programs at once.
            uid: that programs run as; None for the caller's own in a user namespace.
            namespaces: that programs do not share with the caller.
            system_calls: why there is no system call filter; empty if there is one.
        """
        user = f"the unprivileged user {uid}"
        if uid is None:
            user = "this user without any capability, in a user namespace of its own"
        yes = [
            f"programs run as {user}",
            "programs see and signal only their own processes (a pid namespace); all of them are "
            "killed when the program ends",
            "programs read only the system's and Python's directories, and write only to a scratch "
            "directory that is empty at first (a mount namespace)",
            "programs inherit no environment variable and no open file",
            limits.text(workers),
        ]
        no = list(NEVER)
        for name, sentence in OPTIONAL.items():
            (yes if name in namespaces else no).append(sentence)
        if system_calls:
            no.append(f"a system call filter: {system_calls}")
        else:
            yes.append(
                "a system call filter (seccomp) denies tracing, sockets, System V objects, "
                "files in memory and rarely used calls"
            )
        return cls(yes, no)
