"""Recipes: each is a config that loads, has the published size, and names its sources."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from manifests.mixture.mixture import make_mixture
from tests.datasets import Document, write_documents
from trainer.config import load_run_config
from trainer.estimate import estimate
from trainer.recipes import RECIPES

PARAMETERS = {
    "codegen-350m-multi": 0.357e9,
    "codegen-350m-nl": 0.357e9,
    "codegen2-16b": 16.03e9,
    "codegen2-1b": 1.015e9,
    "codegen2-3.7b": 3.64e9,
    "codegen2-7b": 6.86e9,
    "codegen2.5-7b": 6.896e9,
}
"""Recipe -> parameters of the model, by the published dimensions."""

CONTROL = {"<|endoftext|>": 50256, "<sep>": 50299, "<eom>": 50300, "<mask_1>": 51199}
"""Some of CodeGen2's control tokens; the last one is the last of its 51,200 ids."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a mixture whose vocabulary has the size of CodeGen2's."""
    directory = tmp_path_factory.mktemp("recipes")
    tokens = [{"content": name, "id": number} for name, number in CONTROL.items()]
    tokenizer = json.dumps({"model": {"vocab": {}}, "added_tokens": tokens}).encode()
    documents = [Document(number, 3000) for number in range(400)]
    dataset = write_documents(directory, documents, tokenizer, block_tokens=4096)
    make_mixture([dataset], {"own": 1.0}, epochs=5, out=str(directory / "MIX.toml"))
    return directory


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_recipe_plans_a_model_of_the_published_size(directory: Path, name: str) -> None:
    path = directory / f"{name}.toml"
    path.write_text(RECIPES.read(name))
    config = load_run_config(str(path))
    needed = estimate(config, 8, 0.4, 989.4)
    assert needed["parameters"] == pytest.approx(PARAMETERS[name], rel=2e-3)
    assert config.data.sequence_length == 2048
    if config.schedule.steps and name in ("codegen2-7b", "codegen2-16b"):
        assert needed["tokens"] == pytest.approx(400e9, rel=1e-5)


def test_every_recipe_is_tested() -> None:
    assert RECIPES.names() == sorted(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_number_has_a_source(name: str) -> None:
    text = RECIPES.read(name)
    assert "Published: " in RECIPES.comment(name)
    lines = [line for line in text.splitlines() if re.match(r"\w+ = ", line)]
    plain = {"output", "mixture", "name"}
    for line in lines:
        key, _, source = line.partition("#")
        known = re.match(r" (published: |not published; |ours: )\S", source)
        assert known or key.split(" = ")[0] in plain, line
    tables = tomllib.loads(text)
    assert {"data", "model", "batch", "optimizer", "schedule"} <= tables.keys()
