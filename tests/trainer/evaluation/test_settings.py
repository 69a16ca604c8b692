"""A task goes on with the files that it was begun with."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import DataError, UsageError
from tests.trainer.evaluation.conftest import Scripted
from trainer.evaluation.code_evaluation import evaluate_code
from trainer.evaluation.code_tasks import CODE_TASKS
from trainer.evaluation.likelihood_tasks import evaluate_lambada, evaluate_piqa
from trainer.evaluation.mtpb import evaluate_mtpb
from trainer.evaluation.xsum import evaluate_xsum

NO_SANDBOX: Any = None
"""In place of a sandbox: a refused task executes nothing."""


@pytest.mark.parametrize(
    ("name", "evaluate"),
    [
        ("lambada_test.jsonl", evaluate_lambada),
        ("piqa_valid.jsonl", evaluate_piqa),
        ("piqa_valid-labels.lst", evaluate_piqa),
        ("xsum.jsonl", evaluate_xsum),
        ("mtpb.jsonl", partial(evaluate_mtpb, sandbox=NO_SANDBOX)),
        ("HumanEval.jsonl", partial(evaluate_code, CODE_TASKS[0], sandbox=NO_SANDBOX)),
    ],
)
def test_a_task_refuses_another_file_than_it_was_begun_with(
    job, benchmarks: Path, tmp_path: Path, name: str, evaluate
) -> None:
    made = job(Scripted({"": ["x"]}), limit=0)
    made.file(name, "task")
    other = replace(made, data=str(tmp_path / "other"))
    shutil.copytree(benchmarks, other.data)
    assert made.file(name, "task") != other.file(name, "task")  # the same content
    with (tmp_path / "other" / name).open("a") as file:
        file.write("\n")
    with pytest.raises(UsageError, match=rf"other/{name}: is not the file that .*out was begun"):
        evaluate(other)


def test_a_damaged_record_of_files_is_refused(job, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data.json").write_text("[")
    with pytest.raises(DataError, match=r"data\.json: is damaged; remove it"):
        job(Scripted({})).file("xsum.jsonl", "xsum")
