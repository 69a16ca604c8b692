"""Fixtures: runs over a small dataset, which take seconds on one core."""

import json
import random
from pathlib import Path

import pytest
import torch

from manifests.mixture.mixture import make_mixture
from tests.conftest import made_up_text, write_dataset
from trainer.config import RunConfig, load_run_config
from trainer.train import train

RUN = """
output = "run"
mixture = "MIX.toml"
seed = 5
precision = "float32"
threads = 1
[data]
sequence_length = 64
[model]
size = { layers = 2, width = 64, heads = 4, inner = 128 }
[batch]
sequences = 8
micro_batch = 2
[optimizer]
learning_rate = 1e-2
[schedule]
steps = 8
warmup = 2
[checkpoint]
every = 3
"""


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small products are quickest on one thread, above all beside other tests."""
    torch.set_num_threads(1)


def write_run(directory: Path, dataset: Path) -> str:
    """Write MIX.toml and RUN.toml, and return the path of the latter."""
    weights = {"the-stack": 1.0, "the-pile": 1.0}
    make_mixture([str(dataset)], weights, epochs=1, seed=3, out=str(directory / "MIX.toml"))
    path = directory / "RUN.toml"
    path.write_text(RUN)
    return str(path)


@pytest.fixture
def run_toml(tmp_path: Path, small_dataset_made_once: Path) -> str:
    """The path of a RUN.toml."""
    return write_run(tmp_path, small_dataset_made_once)


@pytest.fixture(scope="session")
def dataset_with_dummies(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: bytes) -> Path:
    """A dataset whose vocabulary has <dummy_0> and <dummy_1>, for task tokens."""
    tokenizer, directory = json.loads(small_tokenizer), tmp_path_factory.mktemp("dummies") / "made"
    ids = [token["id"] for token in tokenizer["added_tokens"]]
    model = dict(tokenizer["added_tokens"][-1])
    tokenizer["added_tokens"] += [
        model | {"id": max(ids) + 1 + number, "content": f"<dummy_{number}>"} for number in range(2)
    ]
    generator = random.Random(4)
    texts = {
        name: [made_up_text(generator) for _ in range(100)]
        for name in ("the-stack/c", "the-pile/arxiv")
    }
    write_dataset(directory, texts, {}, json.dumps(tokenizer).encode())
    return directory


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_dataset_made_once: Path) -> str:
    """The directory of a run of 4 updates: to be read, not changed."""
    path = write_run(tmp_path_factory.mktemp("trained"), small_dataset_made_once)
    config = load_run_config(path, ["schedule.steps=4"])
    train(config)
    return config.output


@pytest.fixture
def configure(run_toml: str):
    """`configure("schedule.steps=3", ...) -> RunConfig`."""

    def make(*overrides: str) -> RunConfig:
        return load_run_config(run_toml, overrides)

    return make
