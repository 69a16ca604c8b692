"""Documents that are forgotten between two starts of a run: training and evaluation."""

import shutil

import numpy as np
import pytest

from objectives.stream.stream import Stream
from pipelines.maintain.forget import ForgetRequest, forget
from tests.trainer.conftest import write_run
from tests.trainer.recorder import Recorder
from trainer.config import load_run_config
from trainer.evaluate import evaluate_run
from trainer.run import Run
from trainer.trace import trace
from trainer.train import train

GONE = [f"owner/{slug}-{number}" for slug in ("python", "cpp") for number in (1, 4)]


@pytest.fixture
def own_run(tmp_path, small_dataset):
    """RUN.toml over a dataset of the test's own."""
    return write_run(tmp_path, small_dataset)


def forget_repositories(dataset, tmp_path):
    (tmp_path / "list.txt").write_text("\n".join(GONE))
    return forget(dataset, ForgetRequest.of([str(tmp_path / "list.txt")]))


def tokens_of(seen):
    return np.concatenate([batch.tokens for batch in seen.batches])


def repositories(stream, position):
    documents = stream.origin(position)["documents"]
    return {name for document in documents for name in document["row"]["repositories"]}


def test_forgotten_documents_are_excluded_from_the_next_stage_on(own_run, small_dataset, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(small_dataset, whole / "tokenize-small")
    seen = Recorder()
    undisturbed = load_run_config(write_run(whole, whole / "tokenize-small"), ["schedule.steps=12"])
    train(undisturbed, source=seen)
    unchanged = tokens_of(seen)

    config = load_run_config(own_run, ["schedule.steps=3"])
    seen = Recorder()
    train(config, source=seen)
    before = Run.open(config.output).plan
    assert len(before.stages) == 1
    assert not before.stages[0].tombstones
    forget_repositories(small_dataset, tmp_path)
    train(load_run_config(own_run, ["schedule.steps=12"]), source=seen)
    changed = tokens_of(seen)

    plan = Run.open(config.output).plan
    start = -(-3 * 8 // plan.group) * plan.group
    assert [stage.position for stage in plan.stages] == [0, start]
    obeyed = plan.stages[1].tombstones
    assert set(obeyed) == {"the-stack/cpp", "the-stack/python"}
    assert plan.digest == before.digest
    assert start < len(changed)
    np.testing.assert_array_equal(changed[:start], unchanged[:start])
    assert not np.array_equal(changed[start:], unchanged[start:])
    stream = Stream.open(plan)
    gone = [not repositories(stream, position).isdisjoint(GONE) for position in range(96)]
    assert any(gone[:start])
    assert not any(gone[start:])
    for position in (0, start, start + 1):
        np.testing.assert_array_equal(stream.batch(position, 1).tokens[0], changed[position])


def test_a_run_keeps_the_stages_of_all_its_starts(own_run, small_dataset, tmp_path):
    seen = Recorder()
    config = load_run_config(own_run, ["schedule.steps=3"])
    train(config, source=seen)
    forget_repositories(small_dataset, tmp_path)
    train(load_run_config(own_run, ["schedule.steps=9"]), source=seen)
    second = Run.open(config.output).plan
    forget(small_dataset, ForgetRequest.of(licenses=["MIT"]))
    train(load_run_config(own_run, ["schedule.steps=17"]), source=seen)
    third = Run.open(config.output).plan
    assert third.stages[:2] == second.stages
    assert len(third.stages) == 3
    assert third.stages[2].tombstones.keys() > second.stages[1].tombstones.keys()
    before = [third.stages_digest(position) for position in (1, second.stages[1].position + 1)]
    assert before == [second.stages_digest(1), second.stages_digest(second.stages[1].position + 1)]
    assert len(tokens_of(seen)) == 17 * 8 > third.stages[2].position


def test_a_later_run_excludes_forgotten_documents_from_its_start(own_run, small_dataset, tmp_path):
    forget_repositories(small_dataset, tmp_path)
    config = load_run_config(own_run, ["schedule.steps=1"])
    train(config)
    run = Run.open(config.output)
    assert [bool(stage.tombstones) for stage in run.plan.stages] == [True]
    for row in range(8):
        for document in trace(run, 1, row)["documents"]:
            assert set(document["row"]["repositories"]).isdisjoint(GONE)
    train(load_run_config(own_run, ["schedule.steps=2"]))
    assert Run.open(config.output).plan == run.plan


def test_evaluation_excludes_forgotten_documents(own_run, small_dataset, tmp_path):
    config = load_run_config(own_run, ["schedule.steps=1"])
    train(config)
    run = Run.open(config.output)
    before = evaluate_run(run, 100)["components"]["the-stack/python"]
    forget_repositories(small_dataset, tmp_path)
    after = evaluate_run(run, 100)["components"]["the-stack/python"]
    assert after["documents"] < before["documents"]
    assert after["tokens"] < before["tokens"]
