"""Claims of benchmarks: a figure of ours beside a peer's, with the command that measures both."""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent

CORPORA = (ROOT.parent / "shared" / "data" / "corpus", ROOT / "demo" / "data")
"""Directories that may hold a corpus: stack/data/LANG/, starcoderdata/LANG/, pile/train/."""


@dataclass(frozen=True)
class Claim:
    """One line of RESULTS.md.

    Attributes:
        claim: what is compared, and in which unit.
        ours, peer: medians, in that unit.
        goal: the least ratio of ours to the peer's.
        packages: packages whose versions are recorded.
        elsewhere: package -> version in a peer's own environment.
    """

    claim: str
    ours: float
    peer: float
    goal: float
    packages: tuple[str, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Return ours by the peer's; for a peer's 0 infinity, or 1 where ours is 0 too."""
        if self.peer:
            return self.ours / self.peer
        return math.inf if self.ours else 1.0

    def plain(self, command: str) -> dict[str, object]:
        """Return the object that --json prints. An infinite ratio is null."""
        ratio = self.ratio
        return {
            "claim": self.claim,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "ratio": None if math.isinf(ratio) else _rounded(ratio),
            "goal": self.goal,
            "met": ratio >= self.goal,
            "commit": commit(),
            "machine": asdict(this_machine()),
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in self.packages}
            | dict(self.elsewhere),
            "command": command,
        }


@dataclass(frozen=True)
class Machine:
    """The machine of a measurement."""

    processor: str
    cores: int
    memory_gib: int


def this_machine() -> Machine:
    """Return this machine."""
    names = [
        line.partition(": ")[2].strip()
        for line in _lines(Path("/proc/cpuinfo"))
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    processor = names[0] if names else platform.processor() or platform.machine()
    return Machine(processor, os.cpu_count() or 1, round(memory / 2**30))


def commit() -> str:
    """Return the commit of the tree, with "+" if files beside results differ; "" without git."""
    changed = ["diff", "--quiet", "HEAD", "--", ":!benchmarks/RESULTS.md", ":!benchmarks/results"]
    try:
        head = _git("rev-parse", "--short=7", "HEAD")
    except OSError:
        return ""
    return head.stdout.strip() + "+" * bool(head.stdout and _git(*changed).returncode)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def medians(runs: int, *functions: Callable[[], float]) -> list[float]:
    """Return the median result of each function. The functions take turns, under the same load."""
    results: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for function, result in zip(functions, results, strict=True):
            result.append(function())
    return [statistics.median(result) for result in results]


def rate(work: Callable[[], int]) -> float:
    """Return the rate of `work` a second. `work` returns the amount that it did."""
    start = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - start)


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def main(module: str, measure: Callable[[Path], Sequence[Claim]]) -> None:
    """Run a benchmark as a command."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--data", metavar="DIR", type=Path, help="directory of a corpus")
    parser.add_argument("--json", action="store_true", help="print one JSON object, or a list")
    options = parser.parse_args()
    claims = measure(options.data or _corpus(parser))
    given = f" --data {options.data}" if options.data else ""
    objects = [claim.plain(f"python -m {module}{given} --json") for claim in claims]
    if options.json:
        print(json.dumps(objects[0] if len(objects) == 1 else objects))
        return
    for claim in objects:
        verdict = "met" if claim["met"] else "missed"
        print(
            f"{claim['claim']}: {claim['ours']} against {claim['peer']}, "
            f"ratio {ratio_text(claim['ratio'])}, ",
            end="",
        )
        print(f"goal {claim['goal']}: {verdict}")


def ratio_text(ratio: object) -> str:
    """Return a ratio of `plain` as text."""
    return "infinite" if ratio is None else str(ratio)


def _corpus(parser: argparse.ArgumentParser) -> Path:
    for place in CORPORA:
        if place.is_dir():
            return place
    parser.error("--data: give a corpus, or make the demo's corpus with `make demo`")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
