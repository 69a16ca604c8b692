"""A run's directory."""

import pytest

from tests.trainer.conftest import write_run
from trainer.config import load_run_config
from trainer.parallel import distributed_context
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
