"""Whole evaluations of a run: files, restarts, and requests that are refused."""

import json
from dataclasses import replace

import pytest

from manifests.errors import DataError, UsageError
from trainer.checkpoints.lease import hold
from trainer.evaluation.evaluation import Request, evaluate_tasks
from trainer.evaluation.settings import Settings
from trainer.sampling.language_model import LanguageModel


def silent(name: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def request_of(trained: str, benchmarks, tmp_path):
    """`request_of("humaneval", samples=2) -> Request`."""

    def make(*tasks: str, **settings) -> Request:
        settings = {"long_prompts": "fail", **settings}
        return Request(
            trained,
            tasks,
            str(benchmarks),
            str(tmp_path / "evaluation"),
            Settings(**settings),
            workers=1,
            allow_execution=True,
        )

    return make


def test_a_small_model_has_a_number_for_each_task(request_of, sandbox, tmp_path) -> None:
    request = request_of("heldout", "humaneval", "infill-single", "lambada", limit=2)
    made = evaluate_tasks(request, silent)
    written = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert written == json.loads(json.dumps(made))
    assert list(made["tasks"]) == ["heldout", "humaneval", "infill-single", "lambada"]
    assert made["tasks"]["humaneval"]["pass@1"]["value"] == 0
    assert made["tasks"]["lambada"]["perplexity"]["value"] > 1
    assert made["model"]["step"] == 4
    assert any("CPU time" in line for line in made["execution"]["enforced"])
    again = evaluate_tasks(replace(request, tasks=["lambada"]), silent)
    assert again["tasks"] == made["tasks"]  # those of before are kept
    assert again["execution"] == made["execution"]


def test_one_document_has_a_number_without_an_interval(request_of, tmp_path) -> None:
    made = evaluate_tasks(request_of("heldout", documents=1), silent)
    loss = made["tasks"]["heldout"]["pl_loss"]
    assert loss["value"] > 0 and loss["low"] is loss["high"] is None and loss["count"] == 1
    written = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert written["tasks"] == made["tasks"]


@pytest.mark.parametrize(
    ("tasks", "changes", "message"),
    [
        (["humanevil"], {}, "--tasks: 'humanevil' is no task; did you mean"),
        (["lambada"], {"data": None}, "--data: name the directory"),
        (["humaneval"], {"allow_execution": False}, "only with --allow-execution"),
        (["mtpb", "mbpp"], {"allow_execution": False}, "mtpb, mbpp: these tasks execute programs"),
        (["humaneval"], {"settings": Settings(samples=5, ks=(10,))}, "--k 10: pass@10 needs"),
        (["piqa"], {"path": "nowhere"}, "nowhere: is neither a run"),
        (["lambada"], {"step": 99}, "has no checkpoint of step 99"),
        (["lambada"], {"out": "s3://bucket/out"}, "s3://bucket/out: is a URL"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(
    request_of, tmp_path, tasks, changes, message
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate_tasks(replace(request_of(*tasks), **changes), silent)
    assert not (tmp_path / "evaluation" / "results.json").exists()


def test_a_directory_at_which_another_evaluation_is_at_work_is_refused(request_of) -> None:
    request = request_of("lambada")
    with (
        hold(request.out, renewal=0.05),
        pytest.raises(UsageError, match="another process is at work"),
    ):
        evaluate_tasks(request, silent)


def test_other_settings_need_another_directory(request_of, tmp_path) -> None:
    evaluate_tasks(request_of("lambada"), silent)
    with pytest.raises(UsageError, match=r"was begun with settings seed 0, .* has 1; use another"):
        evaluate_tasks(request_of("lambada", seed=1), silent)
    with pytest.raises(UsageError, match="was begun with model step 4"):
        evaluate_tasks(replace(request_of("lambada"), step=3), silent)
    (tmp_path / "evaluation" / "evaluation.json").write_text("{")
    with pytest.raises(DataError, match="is damaged; remove it"):
        evaluate_tasks(request_of("lambada"), silent)


def test_a_vocabulary_without_infill_tokens_is_refused(
    request_of, sandbox, monkeypatch, tmp_path
) -> None:
    opened = LanguageModel.open(request_of().path)
    plain = replace(opened, objectives={"clm": opened.objectives["clm"]})
    monkeypatch.setattr(LanguageModel, "open", lambda path, step: plain)
    with pytest.raises(UsageError, match="no objective of this model fills in"):
        evaluate_tasks(request_of("infill-single"), silent)
