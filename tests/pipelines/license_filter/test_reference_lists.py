"""The reference lists that workers use are those that the driver read."""

from pathlib import Path
from typing import Any

import pytest

from filters.opt_outs import load_opt_outs
from manifests.errors import DataError
from pipelines.license_filter import job
from pipelines.license_filter.reference_lists import digest_lists, load_lists
from pipelines.preparation import Preparation, load_preparation
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from tests.corpora import prose

TASK = '{"text": "%s"}\n'
OTHER = prose(9).replace("\n", " ")


@pytest.fixture
def listed(corpus: Path) -> Path:
    """Return a corpus with an opt-out and a benchmark."""
    with corpus.open("a") as config:
        config.write('[opt_out]\nfiles = ["gone.txt"]\n[decontaminate]\nfiles = ["some.jsonl"]\n')
    (corpus.parent / "gone.txt").write_text("somebody\n")
    (corpus.parent / "some.jsonl").write_text(TASK % prose(1000).replace("\n", " "))
    return corpus


def prepared(corpus: Path, workers: int) -> Preparation:
    return load_preparation(
        str(corpus), runner=Runner(options=(f"--direct_num_workers={workers}",))
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_lists_that_vanish_or_change_while_the_job_runs_change_nothing(
    listed: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """The workers read copies in the output: a list may be a file that only the driver sees."""
    obeyed = load_opt_outs([str(listed.parent / "gone.txt")]).digest
    run = Job.run

    def late(self: Job, *arguments: Any) -> Any:
        (listed.parent / "gone.txt").write_text("owner0\n")
        (listed.parent / "some.jsonl").unlink()
        return run(self, *arguments)

    monkeypatch.setattr(Job, "run", late)
    manifest = job.run(prepared(listed, workers))
    assert manifest.extra["opt_outs"] == {"entries": 1, "sha256": obeyed}
    assert manifest.extra["benchmarks"]["texts"] == 1


CHANGES = [
    ("gone.txt", "owner0\n", r"^\[opt_out\]: a list changed while the job runs; start it again$"),
    (
        "some.jsonl",
        TASK % OTHER,
        r"^\[decontaminate\]: a file changed while the job runs; start",
    ),
]


@pytest.mark.parametrize(("name", "content", "sentence"), CHANGES)
def test_a_worker_that_reads_other_lists_than_the_driver_stops_the_job(
    listed: Path, name: str, content: str, sentence: str
) -> None:
    corpus = prepared(listed, 1).corpus
    digests = digest_lists(corpus)
    load_lists(corpus, digests)
    (listed.parent / name).write_text(content)
    with pytest.raises(DataError, match=sentence):
        load_lists(corpus, digests)
