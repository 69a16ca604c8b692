"""RUN.toml: defaults, faults, steps and paths."""

import pytest

from manifests.config import parse_config
from manifests.errors import UsageError
from objectives.stream.positions import step_position
from trainer.config import RunConfig, load_run_config

LEAST = {"output": "runs/x", "mixture": "MIX.toml"}


def parse(**tables):
    return parse_config("RUN.toml", RunConfig, LEAST | tables)


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse(batch={"sequence": 8}, model={"size": "3B"}, schedule={"steps": 0})
    message = str(caught.value)
    assert "did you mean 'sequences'" in message
    assert "codegen2 has no size '3B'; it has demo, 350M, 1B, 2B, 3.7B, 6B, 7B, 16B" in message
    assert "schedule.steps" in message


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="model: name: there is no model 'gpt2'"):
        parse(model={"name": "gpt2"})


def test_heads_must_be_a_multiple_of_four_for_codegen2() -> None:
    size = {"layers": 1, "width": 60, "heads": 6, "inner": 64}
    with pytest.raises(UsageError, match="multiple of 4 for CodeGen2"):
        parse(model={"size": size})
    assert parse(model={"name": "llama", "size": size}).model.dims.head_dim == 10


@pytest.mark.parametrize(
    ("key", "value"),
    [("betas", (1.0, 0.9)), ("betas", (0.9, -0.1)), ("learning_rate", float("inf"))],
)
def test_what_adamw_refuses_is_an_error_of_the_config(key, value) -> None:
    with pytest.raises(UsageError, match=rf"optimizer\.{key}"):
        parse(optimizer={key: value})


def test_a_batch_that_the_processes_do_not_divide_is_refused() -> None:
    config = parse(batch={"sequences": 24, "micro_batch": 4})
    assert config.micro_batches(1) == 6
    assert config.micro_batches(3) == 2
    with pytest.raises(
        UsageError, match=r"24 is not a multiple of 16 \(4 processes x batch.micro_batch 4"
    ):
        config.micro_batches(4)


def test_steps_come_from_the_schedule_or_from_the_budget() -> None:
    batch = {"sequences": 4, "micro_batch": 2}
    assert parse(batch=batch, schedule={"steps": 7}).steps(10**9) == 7
    assert parse(batch=batch).steps(41) == 11
    assert parse(batch=batch).steps(41, done=10, position=40) == 11
    assert parse(batch=batch).steps(41, done=11, position=44) == 11


@pytest.mark.parametrize(
    ("skip", "steps"),
    [([[6, 20]], 7), ([[0, 40]], 1), ([[38, 90]], 9), ([[41, 90]], 10), ([[44, 90]], 11)],
)
def test_no_step_starts_after_the_end_of_the_budget(skip, steps) -> None:
    config = parse(batch={"sequences": 4, "micro_batch": 2}, data={"skip": skip})
    assert config.steps(41) == steps
    begins = [step_position(0, step, 4, config.data.skip) for step in range(steps + 1)]
    assert begins[-2] < 41 <= begins[-1]
    middle = step_position(0, 1, 4, config.data.skip)
    assert config.steps(41, done=1, position=middle) == steps


def test_updates_made_before_a_range_was_skipped_count() -> None:
    config = parse(batch={"sequences": 4, "micro_batch": 2}, data={"skip": [[6, 20]]})
    assert config.steps(41, done=6, position=24) == 11


def test_a_budget_that_is_skipped_whole_is_refused() -> None:
    config = parse(data={"skip": [[0, 41]]})
    with pytest.raises(UsageError, match=r"data\.skip: excludes all 41 sequences of the budget"):
        config.steps(41)


def test_a_rate_that_would_rise_at_the_end_is_refused() -> None:
    with pytest.raises(UsageError, match=r"final: 2e-05 is above optimizer.learning_rate, 1e-05"):
        parse(optimizer={"learning_rate": 1e-5})
    assert parse(optimizer={"learning_rate": 2e-5}).schedule.final == 2e-5


def test_an_output_in_an_object_store_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"output: 's3://bucket/run' is a URL; a run needs a dir"):
        parse(output="s3://bucket/run")
    assert parse(output="file:///x/run").output == "/x/run"


def test_a_mixture_may_be_a_url(tmp_path) -> None:
    path = tmp_path / "RUN.toml"
    path.write_text('output = "runs/x"\nmixture = "s3://bucket/MIX.toml"\n')
    assert load_run_config(str(path)).mixture == "s3://bucket/MIX.toml"


def test_paths_are_relative_to_the_file(tmp_path) -> None:
    path = tmp_path / "RUN.toml"
    path.write_text('output = "runs/x"\nmixture = "../MIX.toml"\n')
    config = load_run_config(str(path), ["seed=3"])
    assert config.output == str(tmp_path / "runs/x")
    assert config.mixture == str(tmp_path.parent / "MIX.toml")
    assert config.seed == 3
