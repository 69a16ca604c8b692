"""The small corpus, prepared."""

import os
from pathlib import Path

from pipelines.preparation import Preparation, load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.corpora import write_corpus


def prepare_small_corpus(directory: Path) -> Preparation:
    """Prepare the small corpus; names of parts depend on the times of its files, which are set."""
    corpus = write_corpus(directory)
    for path in (directory / "data").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    preparation = load_preparation(str(corpus), runner=Runner(options=("--direct_num_workers=1",)))
    run_jobs(preparation)
    return preparation
