"""Inspection works without the extras: their packages are blocked in a subprocess."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from manifests.lineage.chain import load_chain
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from objectives.stream.plan import make_plan, save_plan
from tests.corpora import stack_row, write_stack
from trainer.metrics import Progress, append_metrics, update_metrics

ROOT = Path(__file__).parent.parent

RUN_COMMANDS = """
import json, sys
from importlib.abc import MetaPathFinder

BLOCKED = {
    "apache_beam", "boolean", "bs4", "datasketch", "license_expression", "licensedcode", "pluggy",
    "pygments", "safetensors", "scancode", "torch", "zstandard",
}

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import stackpile
from typer.testing import CliRunner

stackpile.register(stackpile.app)
print(json.dumps({
    line: CliRunner().invoke(stackpile.app, line.split()).output for line in json.load(sys.stdin)
}))
"""
"""Run command lines of a JSON list from stdin, and print command line -> output as JSON."""

CORPUS = """
[[source]]
name = "ours"
kind = "the-stack"
files = "*/*.parquet"
[[source]]
name = "notes"
kind = "jsonl"
files = "*.jsonl"
"""

EXPECTED = {
    "plan CORPUS.toml": "notes",
    "inspect out": "wikipedia-en",
    "inspect out --rejected": "long_lines",
    "inspect out --clusters": "The largest clusters",
    "show out src/c/0.txt": "kept (MIT",
    "locate out src/c/0.txt": "repositories",
    "verify out": "in order: ",
    "diff out out/dedup": "shards: ",
    "attribution out": "3 licenses",
    "mix out --weight the-stack=1": "the-stack/python",
    "report out": "report.html: written",
    "report run": "report.html: written",
    "report run --mixture MIX.toml": "not for a run",
    "report python": "is not a dataset",
    "prepare CORPUS.toml": "pip install 'stackpile[prepare]'",
}
"""Command line -> words of its output."""


NUMBERS: Any = {"loss": 3.0, "rate": 1e-3, "norm": 1.0, "seconds": 0.5, "mfu": None}
NUMBERS["remaining_seconds"] = None


def write_run(directory: Path, dataset: str) -> None:
    """Write the directory of a run that has made one update."""
    directory.mkdir()
    mixture = str(directory / "MIX.toml")
    make_mixture([dataset], {"the-stack": 1.0}, epochs=1, out=mixture)
    plan = make_plan(load_mixture(mixture), "clm", batch=2, sequence_length=32)
    save_plan(plan, str(directory / "plan.json"))
    (directory / "run.toml").write_text("seed = 1\n")
    progress = Progress(step=1, position=2, tokens=64)
    metrics = update_metrics(progress, 0, 2, 32, **NUMBERS)
    append_metrics(str(directory / "metrics.jsonl"), metrics)


@pytest.fixture(scope="module")
def outputs(output_made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the output of each command line, in a directory with an output and a corpus."""
    directory = tmp_path_factory.mktemp("base")
    shutil.copytree(output_made_once, directory / "out")
    (directory / "CORPUS.toml").write_text(CORPUS)
    (directory / "notes.jsonl").write_text('{"text": "a note"}\n')
    write_stack(directory / "python/a.parquet", [stack_row("x = 1\n", ["MIT"])])
    write_run(directory / "run", load_chain(str(directory / "out")).last.directory)
    done = subprocess.run(
        [sys.executable, "-c", RUN_COMMANDS],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "HOME": str(directory)},
        input=json.dumps(list(EXPECTED)),
        capture_output=True,
        text=True,
        check=True,
    )
    outputs: dict[str, str] = json.loads(done.stdout)
    return outputs


@pytest.mark.parametrize("line", EXPECTED)
def test_a_command_runs_without_the_packages_of_prepare(outputs: dict[str, str], line: str) -> None:
    assert EXPECTED[line] in outputs[line]
