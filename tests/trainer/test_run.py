"""A run's directory."""

import os
from dataclasses import dataclass

import pytest

from tests.trainer.conftest import write_run
from trainer.config import load_run_config
from trainer.parallel import DistributedContext, distributed_context
from trainer.run import Run, open_or_create_run


@pytest.mark.parametrize("name", ["\U0001f40d", "a\x7fb", 'quote"d'])
@pytest.mark.parametrize(
    "size", ["size = '1B'", "size = { layers = 1, width = 64, heads = 4, inner = 96 }"]
)
def test_a_run_under_any_path_can_be_opened_again(tmp_path, small_dataset_made_once, name, size):
    (tmp_path / "data" / name).mkdir(parents=True)
    mixture = write_run(tmp_path / "data" / name, small_dataset_made_once)
    path = tmp_path / "RUN.toml"
    path.write_text(f"output = 'run'\nmixture = 'data'\n[model]\n{size}\n")
    config = load_run_config(str(path)).model_copy(
        update={"mixture": mixture.replace("RUN.toml", "MIX.toml")}
    )
    with distributed_context() as context:
        open_or_create_run(config, context)
    assert Run.open(config.output).config == config


@dataclass(frozen=True)
class SecondProcess(DistributedContext):
    """The second process of two, which receives `text` from the first one."""

    text: str

    def broadcast(self, text: str) -> str:
        return self.text


def test_a_process_that_does_not_see_plan_json_yet_has_the_plan_of_the_first_one(configure):
    """As on another machine, whose file system has cached that the file is not there."""
    config = configure()
    with distributed_context() as context:
        first = open_or_create_run(config, context)
        os.remove(os.path.join(first.path, "plan.json"))
        text = first.plan.model_dump_json()
        second = open_or_create_run(config, SecondProcess(1, 2, context.device, text))
        assert context.broadcast("a ä 🐍") == "a ä 🐍"
    assert second.plan == first.plan
    assert second.plan.digest == first.plan.digest
