"""Run benchmarks, each in its own process, and write RESULTS.md.

`python -m benchmarks` runs all, `python -m benchmarks NAME ...` some. results/ keeps the output
of the last run of each benchmark, and RESULTS.md shows all of them.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
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


def results(benchmarks: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """Return RESULTS.md: a section for each benchmark, with its claims."""
    head = "# Results\n\nWritten by `make bench` from what each benchmark prints with --json.\n"
    return "\n".join([head, *(_section(name, claims) for name, claims in benchmarks.items())])


def _section(name: str, claims: Sequence[dict[str, Any]]) -> str:
    first = claims[0]
    machine = first["machine"]
    packages: dict[str, str] = {}
    for claim in claims:
        packages |= claim["versions"]
    versions = ", ".join(f"{package} {number}" for package, number in sorted(packages.items()))
    lines = [
        f"## {name}",
        "",
        f"`{first['command']}` at commit {first['commit']}, on {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, with {versions}.",
        "",
        "| claim | ours | peer | ratio | goal | met |",
        "|---|--:|--:|--:|--:|---|",
        *map(_line, claims),
    ]
    return "\n".join(lines) + "\n"


def _line(claim: dict[str, Any]) -> str:
    cells = [claim["claim"], claim["ours"], claim["peer"], ratio_text(claim["ratio"])]
    cells += [claim["goal"], "yes" if claim["met"] else "no"]
    return f"| {' | '.join(map(str, cells))} |"


def main(chosen: Sequence[str]) -> None:
    """Run the chosen benchmarks, or all, and write RESULTS.md."""
    unknown = [name for name in chosen if name not in names()]
    if unknown:
        raise SystemExit(f"bench: unknown benchmark {unknown[0]!r}; known: {', '.join(names())}")
    for name in chosen or names():
        text = json.dumps(run(name), indent=1, sort_keys=True) + "\n"
        files.write_bytes(str(RESULTS / f"{name}.json"), text.encode())
    saved = {name: RESULTS / f"{name}.json" for name in names()}
    claims = {name: json.loads(path.read_text()) for name, path in saved.items() if path.exists()}
    files.write_bytes(str(HERE / "RESULTS.md"), results(claims).encode())
    say(f"bench: {sum(map(len, claims.values()))} claims, in benchmarks/RESULTS.md")


if __name__ == "__main__":
    main(sys.argv[1:])
