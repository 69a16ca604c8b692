"""Runs every benchmark, each in a process of its own, and writes RESULTS.md."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims import say

HERE = Path(__file__).parent
HELPERS = {"__init__", "__main__", "claims", "prepared"}


def names() -> list[str]:
    """Return the benchmarks there are."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in HELPERS)


def run(name: str) -> list[dict[str, Any]]:
    """Return the objects that a benchmark prints."""
    say(f"bench: {name}")
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    return found if isinstance(found, list) else [found]


def results(claims: Sequence[dict[str, Any]]) -> str:
    """Return RESULTS.md."""
    lines = [
        "# Results",
        "",
        "Written by `make bench` from what each benchmark prints with --json.",
        "",
        "| claim | ours | peer | ratio | goal | met | command |",
        "|---|---|---|---|---|---|---|",
        *(_line(claim) for claim in claims),
        "",
        *(f"Machine: {machine}" for machine in _distinct(_machine(c) for c in claims)),
        "",
        *(f"Versions: {versions}" for versions in _distinct(_versions(c) for c in claims)),
    ]
    return "\n".join(lines) + "\n"


def _line(claim: dict[str, Any]) -> str:
    cells = [claim[key] for key in ("claim", "ours", "peer", "ratio", "goal")]
    cells += ["yes" if claim["met"] else "no", f"`{claim['command']}`"]
    return f"| {' | '.join(map(str, cells))} |"


def _machine(claim: dict[str, Any]) -> str:
    machine = claim["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"


def _versions(claim: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in claim["versions"].items())


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


if __name__ == "__main__":
    found = [claim for name in names() for claim in run(name)]
    (HERE / "RESULTS.md").write_text(results(found))
    say(f"bench: {len(found)} claims, in benchmarks/RESULTS.md")
