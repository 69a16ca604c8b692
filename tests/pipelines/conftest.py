"""The small corpus, for every test of the jobs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.corpora import write_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return CORPUS.toml of a corpus of about 120 documents."""
    return write_corpus(tmp_path)


@pytest.fixture(scope="session")
def corpus_prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the small corpus and its output, which tests must not change."""
    corpus = write_corpus(tmp_path_factory.mktemp("prepared"))
    run_jobs(load_preparation(str(corpus), runner=Runner(options=("--direct_num_workers=1",))))
    return corpus.parent


@pytest.fixture
def prepared_corpus(tmp_path: Path, corpus_prepared_once: Path) -> Path:
    """Return CORPUS.toml of the small corpus, beside its output: a copy for one test."""
    directory = tmp_path / "prepared"
    shutil.copytree(corpus_prepared_once, directory)
    return directory / "CORPUS.toml"


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Path]:
    """Return the function that writes the corpus into a directory."""
    return write_corpus
