"""The small corpus, for every test of the jobs."""

import shutil
from pathlib import Path

import pytest

from tests.corpora import write_corpus
from tests.pipelines.small_corpus import prepare_small_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return CORPUS.toml of a corpus of about 120 documents."""
    return write_corpus(tmp_path)


@pytest.fixture(scope="session")
def corpus_prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the small corpus and its output, which tests must not change."""
    directory = tmp_path_factory.mktemp("prepared")
    prepare_small_corpus(directory)
    return directory


@pytest.fixture
def prepared_corpus(tmp_path: Path, corpus_prepared_once: Path) -> Path:
    """Return CORPUS.toml of the small corpus, beside its output: a copy for one test."""
    directory = tmp_path / "prepared"
    shutil.copytree(corpus_prepared_once, directory)
    return directory / "CORPUS.toml"
