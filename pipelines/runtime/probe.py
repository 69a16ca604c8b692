"""Proof that an engine's workers see the files that the driver writes.

A local path is another directory on each machine. What a worker writes there is lost, so a worker
looks for a file of the driver before its first row, and answers beside it.
"""

import os
import socket
import uuid
from dataclasses import dataclass, field

from manifests.errors import DataError
from manifests.io import files

FOLDER = "probe"
"""Directory of the probes, below the step's directory."""


@dataclass(frozen=True)
class Probe:
    """A question of the driver to all workers of a job, under a new name."""

    directory: str
    """The step's directory."""
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def _url(self) -> str:
        """URL of the driver's file."""
        return files.join(self.directory, FOLDER, self.name)

    def ask(self) -> None:
        """Write the driver's file."""
        files.write_bytes(self._url, self.name.encode())

    def answer(self) -> None:
        """Look for the driver's file from a worker, and write the worker's answer.

        Raises:
            DataError: the worker does not see the file.
        """
        machine = socket.gethostname()
        if files.read_if_exists(self._url) != self.name.encode():
            raise DataError(
                f"{self.directory}: a worker on {machine} does not see the files that the driver "
                "writes there; the output must be an object store or a directory that all "
                "machines share"
            )
        files.write_bytes(f"{self._url}-{machine}-{os.getpid()}", b"")

    def answers(self) -> list[str]:
        """Return the names of the files of the workers that have answered."""
        names = files.list_names(files.join(self.directory, FOLDER))
        return [name for name in names if name.startswith(f"{self.name}-")]

    def remove(self) -> None:
        """Remove the question and the answers."""
        for name in [self.name, *self.answers()]:
            files.remove(files.join(self.directory, FOLDER, name))
