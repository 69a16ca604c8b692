"""A job may end at any moment: only whole files are left, and the same command goes on."""

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

DYING = """
import os, sys
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner

corpus, left = sys.argv[1], int(sys.argv[2])
replace = os.replace

def dying(source, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    replace(source, target)

os.replace = dying
run_jobs(load_preparation(corpus, runner=Runner(options=("--direct_num_workers=1",))))
"""


def listing(directory: Path) -> dict[str, bytes]:
    """Every file, hidden ones left out: those are the temporary files of a run that was killed."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def expected(corpus: Path) -> dict[str, bytes]:
    run_jobs(load_preparation(str(corpus), str(corpus.parent / "expected"), ONE))
    return listing(corpus.parent / "expected")


def test_killed_at_five_moments_a_run_ends_with_the_same_bytes(
    corpus: Path, expected: dict[str, bytes]
) -> None:
    for left in (1, 4, 8, 8, 8):
        process = subprocess.run(
            [sys.executable, "-c", DYING, str(corpus), str(left)],
            capture_output=True,
            check=False,
        )
        assert process.returncode == 9, process.stderr
    run_jobs(load_preparation(str(corpus), runner=ONE))
    assert listing(corpus.parent / "out") == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left")])
def test_a_write_that_fails_leaves_no_file_and_is_made_up_for(
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


def test_two_runs_at_once_do_not_harm_each_other(corpus: Path, expected: dict[str, bytes]) -> None:
    code = DYING.replace("os.replace = dying", "")
    command = [sys.executable, "-c", code, str(corpus), "0"]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for run in runs:
        _, errors = run.communicate()
        assert run.returncode == 0, errors
    assert listing(corpus.parent / "out") == expected


def test_a_document_of_fifty_megabytes_goes_through(corpus: Path) -> None:
    text = code(900, lines=2_000) * 520
    assert len(text) > 50e6
    path = corpus.parent / "data/stack/data/go/train-00000-of-00001.parquet"
    write_stack(path, [stack_row(text, ["MIT"], lang="Go", path="a.go")])
    preparation = load_preparation(str(corpus), runner=ONE)
    run_jobs(preparation)
    assert load_manifest(preparation.tokenize).components["the-stack/go"].tokens > 5_000_000
