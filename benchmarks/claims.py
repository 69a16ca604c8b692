"""What a benchmark says: a figure of ours beside a peer's, and what it takes to get it again."""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent

CORPORA = (ROOT.parent / "shared" / "data" / "corpus", ROOT / "demo" / "data")
"""Where a corpus is looked for: stack/data/LANG/, starcoderdata/LANG/, pile/train/."""


@dataclass(frozen=True)
class Claim:
    """One line of RESULTS.md.

    Attributes:
        claim: a sentence that says what is compared, and in which unit.
        ours, peer: medians, in that unit.
        goal: the ratio of the two that was set.
        packages: whose versions matter.
        elsewhere: versions, by package, in a peer's own environment.
    """

    claim: str
    ours: float
    peer: float
    goal: float
    packages: tuple[str, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Return ours by the peer's: infinite where only the peer's is 0, and 1 where both are."""
        if self.peer:
            return self.ours / self.peer
        return math.inf if self.ours else 1.0

    def plain(self, command: str) -> dict[str, object]:
        """Return the object that --json prints; an infinite ratio is null: JSON has no word."""
        ratio = self.ratio
        return {
            "claim": self.claim,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "ratio": None if math.isinf(ratio) else _rounded(ratio),
            "goal": self.goal,
            "met": ratio >= self.goal,
            "machine": asdict(this_machine()),
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in self.packages}
            | dict(self.elsewhere),
            "command": command,
        }


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on."""

    processor: str
    cores: int
    memory_gib: int


def this_machine() -> Machine:
    """Return what this machine is."""
    names = [
        line.partition(": ")[2].strip()
        for line in _lines(Path("/proc/cpuinfo"))
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    processor = names[0] if names else platform.processor() or platform.machine()
    return Machine(processor, os.cpu_count() or 1, round(memory / 2**30))


def medians(runs: int, *functions: Callable[[], float]) -> list[float]:
    """Return the median result of each function; they take turns, to see the same load."""
    results: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for function, result in zip(functions, results, strict=True):
            result.append(function())
    return [statistics.median(result) for result in results]


def rate(work: Callable[[], int]) -> float:
    """Return what `work` gets done in a second; it returns how much it did."""
    start = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - start)


def say(text: str) -> None:
    """Tell on stderr what a benchmark is doing."""
    print(text, file=sys.stderr, flush=True)


def main(module: str, measure: Callable[[Path], Sequence[Claim]]) -> None:
    """Run a benchmark as a command."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--data", metavar="DIR", type=Path, help="a corpus; else the one at hand")
    parser.add_argument("--json", action="store_true", help="print one JSON object, or a list")
    options = parser.parse_args()
    claims = measure(options.data or _corpus(parser))
    given = f" --data {options.data}" if options.data else ""
    found = [claim.plain(f"python -m {module}{given} --json") for claim in claims]
    if options.json:
        print(json.dumps(found[0] if len(found) == 1 else found))
        return
    for each in found:
        verdict = "met" if each["met"] else "missed"
        print(
            f"{each['claim']}: {each['ours']} against {each['peer']}, "
            f"ratio {ratio_words(each['ratio'])}, ",
            end="",
        )
        print(f"goal {each['goal']}: {verdict}")


def ratio_words(ratio: object) -> str:
    """Return how people read a ratio as `plain` has it."""
    return "infinite" if ratio is None else str(ratio)


def _corpus(parser: argparse.ArgumentParser) -> Path:
    for place in CORPORA:
        if place.is_dir():
            return place
    parser.error("--data: name a corpus, or make the demo's with `make demo`")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
