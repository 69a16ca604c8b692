"""docs/evaluation.md names every task with its file, and the limits of programs."""

import re
from pathlib import Path

from manifests.console import formatting
from trainer.evaluation.code_tasks import CODE_TASKS
from trainer.evaluation.evaluation import TASKS
from trainer.sandbox.limits import MEGABYTE, Limits

PAGE = (Path(__file__).parents[2] / "docs/evaluation.md").read_text()
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))


def test_the_table_has_every_task_and_its_file() -> None:
    assert list(ROWS) == list(TASKS)
    assert [task.name for task in CODE_TASKS if task.file not in ROWS[task.name]] == []


def test_the_limits_are_those_of_the_sandbox() -> None:
    limits = Limits()
    for text in (
        f"{limits.cpu_seconds} seconds of CPU time",
        f"after {limits.wall_seconds:g} seconds",
        f"{limits.memory // MEGABYTE // 1024} GiB of address space",
        f"{limits.processes} processes and threads",
        f"{limits.scratch // MEGABYTE} MiB of files",
        f"{limits.file_size // MEGABYTE} MiB each",
        f"at most {formatting.size(limits.total)[:3]} GB of memory",
    ):
        assert text in " ".join(PAGE.split()), text


def test_the_files_of_an_evaluation_are_named() -> None:
    for name in (
        "evaluation.json",
        "results.json",
        "t0.2.jsonl_results.jsonl",
        "likelihoods.jsonl",
    ):
        assert name in PAGE
