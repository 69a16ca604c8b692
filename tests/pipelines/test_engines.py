"""Every engine with any number of workers writes the same files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.lineage.manifest import manifest_digest
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner

EMBEDDED = ("--job_endpoint=embed", "--environment_type=LOOPBACK")

ENGINES = {
    "two workers": Runner(options=("--direct_num_workers=2",)),
    "portable, embedded": Runner("PortableRunner", EMBEDDED),
}


def result(corpus: Path, output: Path, runner: Runner) -> str:
    """Return the digest of the last manifest, which depends on all files of all jobs."""
    preparation = load_preparation(str(corpus), str(output), runner)
    run_jobs(preparation)
    return manifest_digest(preparation.tokenize)


@pytest.fixture(scope="module")
def reference(
    tmp_path_factory: pytest.TempPathFactory, make_corpus: Callable[..., Path]
) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("engines")
    corpus = make_corpus(directory)
    one = Runner(options=("--direct_num_workers=1",))
    return corpus, result(corpus, directory / "reference", one)


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_write_equal_manifests(
    reference: tuple[Path, str], tmp_path: Path, engine: str
) -> None:
    corpus, expected = reference
    assert result(corpus, tmp_path / "out", ENGINES[engine]) == expected
