"""Measure the seconds of a command and the memory of all its processes."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.claims import ROOT

SECONDS = 0.1
"""Seconds between two samples."""


class Taken(NamedTuple):
    """Seconds and memory of a command.

    Attributes:
        seconds: from its start to its end.
        peak: bytes; the most that the PSS of its process and all that descend from it came to.
            A page that several of them hold counts once.
        said: what it wrote on stdout.
    """

    seconds: float
    peak: int
    said: bytes


def measured(command: Sequence[str]) -> Taken:
    """Run a command that prints little, and measure it."""
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        while process.poll() is None:
            peak = max(peak, sum(_pss(item) for item in _tree(process.pid)))
            time.sleep(SECONDS)
        seconds = time.perf_counter() - start
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Taken(seconds, peak, said)


def _tree(process: int) -> list[int]:
    """Return a process and all its descendants."""
    result = [process]
    for item in result:
        for children in Path(f"/proc/{item}/task").glob("*/children"):
            result += [int(child) for child in _read(children).split()]
    return result


def _pss(process: int) -> int:
    """Return the proportional set size of a process in bytes; 0 for an ended process."""
    result = re.search(r"^Pss:\s+(\d+) kB", _read(Path(f"/proc/{process}/smaps_rollup")), re.M)
    return int(result[1]) << 10 if result else 0


def _read(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes())
    except OSError:
        return ""
