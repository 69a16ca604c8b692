"""The named sizes are the published ones, parameter for parameter.

configs/ holds copies of config.json of huggingface.co/Salesforce/NAME (codegen2-1B, codegen2-3.7B
and codegen25-7b-multi: NAME_P). Of codegen2-7B it is the part that the commit of the copy
Katonic/codegen2-7b shows, and of codegen2-16B the dimensions in the copy Katonic/codegen2-16b.
"""

import json
from pathlib import Path

import pytest
import torch

from trainer.models import MODELS

CONFIGS = Path(__file__).parent / "configs"

PUBLISHED = {
    "codegen-350M-mono": ("codegen2", "350M", 0.357e9),
    "codegen-2B-multi": ("codegen2", "2B", 2.78e9),
    "codegen-6B-multi": ("codegen2", "6B", 7.07e9),
    "codegen-16B-mono": ("codegen2", "16B", 16.0e9),
    "codegen2-1B": ("codegen2", "1B", 1.015e9),
    "codegen2-3.7B": ("codegen2", "3.7B", 3.64e9),
    "codegen2-7B": ("codegen2", "7B", 6.86e9),
    "codegen2-16B": ("codegen2", "16B", 16.0e9),
    "codegen25-7b-multi": ("llama", "7B", 6.9e9),
}
"""Config -> model, size, parameters."""


def published(name: str):
    return json.loads((CONFIGS / f"{name}.json").read_text())


def ours(name: str, layers: int):
    model, size, _ = PUBLISHED[name]
    dims = MODELS[model].sizes[size].model_copy(update={"layers": layers})
    with torch.device("meta"):
        return MODELS[model](dims, published(name)["vocab_size"])


def theirs(name: str, layers: int):
    transformers = pytest.importorskip("transformers")
    config = published(name)
    key = "n_layer" if "n_layer" in config else "num_hidden_layers"
    with torch.device("meta"):
        made = transformers.AutoConfig.for_model(**config | {key: layers})
        return transformers.AutoModelForCausalLM.from_config(made)


def count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_size_has_every_parameter_of_the_published_model(name: str) -> None:
    one, two, published_two = ours(name, 1), ours(name, 2), theirs(name, 2)
    wanted = {key: tuple(tensor.shape) for key, tensor in published_two.state_dict().items()}
    assert {key: tuple(tensor.shape) for key, tensor in two.hf_tensors().items()} == wanted
    assert count(two) == count(published_two)
    model, size, parameters = PUBLISHED[name]
    layers = MODELS[model].sizes[size].layers
    total = count(one) + (layers - 1) * (count(two) - count(one))
    assert total == pytest.approx(parameters, rel=0.005)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_config_gives_the_size_and_the_size_the_config(name: str) -> None:
    config, (model, size, _) = published(name), PUBLISHED[name]
    dims, context = MODELS[model].from_hf_config(config)
    named, small = MODELS[model].sizes[size], ours(name, 1)
    same = ("layers", "width", "heads", "inner", "rotary_base")
    assert [getattr(dims, key) for key in same] == [getattr(named, key) for key in same]
    with torch.device("meta"):
        remade = MODELS[model](dims.model_copy(update={"layers": 1}), 8)
    assert (remade.rotary_dim, remade.epsilon, context) == (small.rotary_dim, small.epsilon, 2048)
    said = small.hf_config(2048) | dict.fromkeys(("n_layer", "num_hidden_layers"), named.layers)
    shared = {key: value for key, value in said.items() if key in config}
    assert len(shared) >= 8
    assert shared == {
        key: named.inner if key == "n_inner" and config[key] is None else config[key]
        for key in shared
    }


def test_every_named_size_but_the_demos_is_published() -> None:
    named = {(name, size) for name, model in MODELS.items() for size in model.sizes}
    listed = {(model, size) for model, size, _ in PUBLISHED.values()}
    assert named - listed == {(name, "demo") for name in MODELS}
