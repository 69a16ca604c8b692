"""A job that is stopped leaves only whole files, and the same command continues."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from manifests.lineage.manifest import load_manifest
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack

ONE = Runner(options=("--direct_num_workers=1",))

KILLED_RUN = """
import os, sys
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner

corpus, left = sys.argv[1], int(sys.argv[2])
replace = os.replace

def replace_or_exit(source, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    replace(source, target)

os.replace = replace_or_exit
run_jobs(load_preparation(corpus, runner=Runner(options=("--direct_num_workers=1",))))
"""


def listing(directory: Path) -> dict[str, bytes]:
    """Return path -> bytes of all files but hidden ones, the temporary files of a killed run."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def expected(corpus: Path) -> dict[str, bytes]:
    run_jobs(load_preparation(str(corpus), str(corpus.parent / "expected"), ONE))
    return listing(corpus.parent / "expected")


def test_a_run_that_is_killed_five_times_writes_the_same_bytes(
    corpus: Path, expected: dict[str, bytes]
) -> None:
    for left in (1, 4, 8, 8, 8):
        process = subprocess.run(
            [sys.executable, "-c", KILLED_RUN, str(corpus), str(left)],
            capture_output=True,
            check=False,
        )
        assert process.returncode == 9, process.stderr
    run_jobs(load_preparation(str(corpus), runner=ONE))
    assert listing(corpus.parent / "out") == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left")])
def test_a_write_that_fails_leaves_no_file_and_the_next_run_repeats_it(
    corpus: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    def failing(descriptor: int) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises((KeyboardInterrupt, OSError)):
            run_jobs(load_preparation(str(corpus), runner=ONE))
    left = [path for path in (corpus.parent / "out").rglob("*") if path.is_file()]
    assert left == []
    run_jobs(load_preparation(str(corpus), runner=ONE))
    assert listing(corpus.parent / "out") == expected


def test_two_runs_at_once_write_the_same_bytes(corpus: Path, expected: dict[str, bytes]) -> None:
    code = KILLED_RUN.replace("os.replace = replace_or_exit", "")
    command = [sys.executable, "-c", code, str(corpus), "0"]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for run in runs:
        _, errors = run.communicate()
        assert run.returncode == 0, errors
    assert listing(corpus.parent / "out") == expected


def test_a_document_of_fifty_megabytes_is_tokenized(corpus: Path) -> None:
    text = code(900, lines=2_000) * 520
    assert len(text) > 50e6
    path = corpus.parent / "data/stack/data/go/train-00000-of-00001.parquet"
    write_stack(path, [stack_row(text, ["MIT"], lang="Go", path="a.go")])
    preparation = load_preparation(str(corpus), runner=ONE)
    run_jobs(preparation)
    assert load_manifest(preparation.tokenize).components["the-stack/go"].tokens > 5_000_000
