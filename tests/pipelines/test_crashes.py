"""A job that is stopped leaves only whole files, and the same command continues."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from manifests.lineage.manifest import load_manifest
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack

ONE = Runner(options=("--direct_num_workers=1",))

TOKENIZE = "[tokenize]\ntokenizer = { train = 700, masks = 20 }\n"

RUNS = """
import os, sys
from pipelines.dedup import job
from pipelines.license_filter import job
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from pipelines.tokenize import job

replace = os.replace

def run(corpus, output, left):
    def replace_or_exit(source, target):
        nonlocal left
        if left == 0:
            os._exit(9)
        left -= 1
        replace(source, target)

    os.replace = replace_or_exit
    run_jobs(load_preparation(corpus, output, Runner(options=("--direct_num_workers=1",))))

for line in sys.stdin:
    corpus, output, *lefts = line.split()
    children = []
    for left in lefts:
        if (child := os.fork()) == 0:
            code = 1
            try:
                run(corpus, output, int(left))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)
"""
"""For each line of stdin, a corpus, an output and numbers, run the jobs at once in a process for
each number, which is killed at its replacement of a file after so many. Print the exit codes. The
processes are forks, because the imports of the jobs take seconds."""


@pytest.fixture(scope="module")
def run_killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[int]]]:
    """`run_killed(corpus, output, replacements of a run, ...)`: the exit codes."""
    errors = tmp_path_factory.mktemp("runs") / "errors"
    command = [sys.executable, "-c", RUNS]
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):

        def run(corpus: Path, output: Path, *left: int) -> list[int]:
            assert process.stdin and process.stdout
            print(corpus, output, *left, file=process.stdin, flush=True)
            codes = [int(code) for code in process.stdout.readline().split()]
            assert len(codes) == len(left) and 1 not in codes, errors.read_text()
            return codes

        yield run


def listing(directory: Path) -> dict[str, bytes]:
    """Return path -> bytes of all files but hidden ones, the temporary files of a killed run."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def inputs(corpus_prepared_once: Path) -> Path:
    """Return CORPUS.toml of the small corpus, which tests must not change."""
    return corpus_prepared_once / "CORPUS.toml"


@pytest.fixture(scope="module")
def expected(corpus_prepared_once: Path) -> dict[str, bytes]:
    return listing(corpus_prepared_once / "out")


def test_a_run_that_is_killed_five_times_writes_the_same_bytes(
    inputs: Path, tmp_path: Path, expected: dict[str, bytes], run_killed: Callable[..., list[int]]
) -> None:
    for left in (1, 4, 8, 8, 8):
        assert run_killed(inputs, tmp_path, left) == [9]
    run_jobs(load_preparation(str(inputs), str(tmp_path), ONE))
    assert listing(tmp_path) == expected


def test_a_write_that_fails_leaves_no_file_and_the_next_run_repeats_it(
    inputs: Path, tmp_path: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: tuple[Any, ...] = (KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left"))
    for error in errors:
        fails = Mock(side_effect=error)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fails)
            with pytest.raises(type(error)):
                run_jobs(load_preparation(str(inputs), str(tmp_path), ONE))
        assert fails.called
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    run_jobs(load_preparation(str(inputs), str(tmp_path), ONE))
    assert listing(tmp_path) == expected


def test_two_runs_at_once_write_the_same_bytes(
    inputs: Path, tmp_path: Path, expected: dict[str, bytes], run_killed: Callable[..., list[int]]
) -> None:
    assert run_killed(inputs, tmp_path, -1, -1) == [0, 0]
    assert listing(tmp_path) == expected


def test_a_document_of_fifty_megabytes_is_tokenized(corpus: Path) -> None:
    text = code(900, lines=2_000) * 520
    assert len(text) > 50e6
    # Of the corpus, C++ stays.
    corpus.write_text("[[source]]".join(corpus.read_text().split("[[source]]")[:2]) + TOKENIZE)
    shutil.rmtree(corpus.parent / "data/stack/data/python")
    path = corpus.parent / "data/stack/data/go/train-00000-of-00001.parquet"
    write_stack(path, [stack_row(text, ["MIT"], lang="Go", path="a.go")])
    preparation = load_preparation(str(corpus), runner=ONE)
    run_jobs(preparation)
    assert load_manifest(preparation.tokenize).components["the-stack/go"].tokens > 5_000_000
