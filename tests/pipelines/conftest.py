"""The small corpus, for every test of the jobs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpora import write_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return CORPUS.toml of a corpus of about 120 documents."""
    return write_corpus(tmp_path)


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Path]:
    """Return the function that writes the corpus into a directory."""
    return write_corpus
