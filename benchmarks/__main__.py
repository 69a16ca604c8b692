"""Run benchmarks, each in its own process, and write RESULTS.md.

`python -m benchmarks` runs all, `python -m benchmarks NAME ...` some. results/ keeps the output
of the last run of each benchmark, and RESULTS.md shows all of them.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims import ratio_text, say
from manifests.io import files

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def names() -> list[str]:
    """Return the names of all benchmarks: the modules that define `measure`."""
    return sorted(path.stem for path in HERE.glob("*.py") if _is_benchmark(path))


def _is_benchmark(path: Path) -> bool:
    return any(
        isinstance(node, ast.FunctionDef) and node.name == "measure"
        for node in ast.parse(path.read_bytes()).body
    )


def run(name: str) -> list[dict[str, Any]]:
    """Return the objects that a benchmark prints."""
    say(f"bench: {name}")
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    claims = json.loads(done.stdout)
    return claims if isinstance(claims, list) else [claims]


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
    cells = [claim["claim"], claim["ours"], claim["peer"], ratio_text(claim["ratio"])]
    cells += [claim["goal"], "yes" if claim["met"] else "no", f"`{claim['command']}`"]
    return f"| {' | '.join(map(str, cells))} |"


def _machine(claim: dict[str, Any]) -> str:
    machine = claim["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"


def _versions(claim: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in claim["versions"].items())


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def main(chosen: Sequence[str]) -> None:
    """Run the chosen benchmarks, or all, and write RESULTS.md."""
    unknown = [name for name in chosen if name not in names()]
    if unknown:
        raise SystemExit(f"bench: unknown benchmark {unknown[0]!r}; known: {', '.join(names())}")
    for name in chosen or names():
        text = json.dumps(run(name), indent=1, sort_keys=True) + "\n"
        files.write_bytes(str(RESULTS / f"{name}.json"), text.encode())
    saved = [json.loads((RESULTS / f"{name}.json").read_text()) for name in names() if known(name)]
    claims = [claim for benchmark in saved for claim in benchmark]
    files.write_bytes(str(HERE / "RESULTS.md"), results(claims).encode())
    say(f"bench: {len(claims)} claims, in benchmarks/RESULTS.md")


def known(name: str) -> bool:
    """Tell whether results/ has the output of a benchmark."""
    return (RESULTS / f"{name}.json").exists()


if __name__ == "__main__":
    main(sys.argv[1:])
