"""The reference lists in a manifest are those that the job used."""

from pathlib import Path
from typing import Any

import pytest

from filters.opt_outs import load_opt_outs
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.manifest import FILE
from pipelines.license_filter import job
from pipelines.preparation import Preparation, load_preparation
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from tests.corpora import prose

TASK = '{"text": "%s"}\n'


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


CHANGES = [
    (
        1,
        "gone.txt",
        "owner0\n",
        r"^\[opt_out\]: a list changed while the job runs; start it again$",
    ),
    (
        2,
        "gone.txt",
        "owner0\n",
        r"^\[opt_out\]: a list changed while the job runs; start it again$",
    ),
    (1, "some.jsonl", TASK % prose(9), r"^\[decontaminate\]: a file changed while the job runs; "),
]


@pytest.mark.parametrize(("workers", "name", "content", "sentence"), CHANGES)
def test_a_list_that_changes_after_the_plan_is_made_stops_the_job(
    listed: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    name: str,
    content: str,
    sentence: str,
) -> None:
    run = Job.run

    def late(self: Job, *arguments: Any) -> Any:
        (listed.parent / name).write_text(content.replace("\n", " ") + "\n")
        return run(self, *arguments)

    monkeypatch.setattr(Job, "run", late)
    preparation = prepared(listed, workers)
    with pytest.raises(DataError, match=sentence):
        job.run(preparation)
    assert not files.exists(files.join(preparation.license_filter, FILE))
    monkeypatch.undo()
    job.run(preparation)


def test_a_list_that_changes_when_the_workers_are_done_is_not_in_the_manifest(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = listed.parent / "gone.txt"
    obeyed = load_opt_outs([str(path)]).digest
    run = Job.run

    def early(self: Job, *arguments: Any) -> Any:
        receipts = run(self, *arguments)
        path.write_text("somebody\nowner0\n")
        return receipts

    monkeypatch.setattr(Job, "run", early)
    manifest = job.run(prepared(listed, 1))
    assert manifest.extra["opt_outs"] == {"entries": 1, "sha256": obeyed}
