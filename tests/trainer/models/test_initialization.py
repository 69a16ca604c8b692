"""Initial weights: the laws of GPT-2 and of JAXFORMER."""

import math

import pytest
import torch

from trainer.models import MODELS, DecoderDims
from trainer.models.initialization import initial_weight

DIMS = DecoderDims(layers=8, width=256, heads=4, inner=1024)
CUT = 0.8796
"""Deviation of a standard normal law cut at -2 and 2, from its density."""


def weights(initialization, seed: int = 1):
    with torch.device("meta"):
        model = MODELS["codegen2"](DIMS, 4096)
    return {
        name: initial_weight(model, name, torch.empty(parameter.shape), seed, initialization)
        for name, parameter in model.named_parameters()
        if not name.startswith("blocks.") or name.startswith("blocks.3.")
    }


def test_the_cut_normal_law_has_this_deviation() -> None:
    inside, density = math.erf(math.sqrt(2)), math.exp(-2) / math.sqrt(2 * math.pi)
    assert math.sqrt(1 - 4 * density / inside) == pytest.approx(CUT, rel=1e-4)


@pytest.mark.parametrize(
    ("initialization", "name", "deviation"),
    [
        ("gpt2", "embed.weight", 0.02),
        ("gpt2", "head.weight", 0.02),
        ("gpt2", "blocks.3.attention.qkv.weight", 0.02),
        ("gpt2", "blocks.3.attention.out.weight", 0.02 / 4),
        ("gpt2", "blocks.3.down.weight", 0.02 / 4),
        ("jaxformer", "embed.weight", CUT / math.sqrt(4096)),
        ("jaxformer", "head.weight", CUT / math.sqrt(256)),
        ("jaxformer", "blocks.3.attention.qkv.weight", CUT / math.sqrt(256)),
        ("jaxformer", "blocks.3.up.weight", CUT / math.sqrt(256)),
        ("jaxformer", "blocks.3.attention.out.weight", CUT * 2 / 8 / math.sqrt(256)),
        ("jaxformer", "blocks.3.down.weight", CUT * 2 / 8 / math.sqrt(256)),
    ],
)
def test_a_matrix_has_the_deviation_of_its_law(initialization, name, deviation) -> None:
    values = weights(initialization)[name]
    assert float(values.std()) == pytest.approx(deviation, rel=0.02)
    assert abs(float(values.mean())) < deviation / 20
    if initialization == "jaxformer":
        assert float(values.abs().max()) <= 2 * deviation / CUT * 1.0001


@pytest.mark.parametrize("initialization", ["gpt2", "jaxformer"])
def test_biases_are_0_and_scales_1_and_the_seed_decides(initialization) -> None:
    first, second = weights(initialization), weights(initialization, seed=2)
    for name, values in first.items():
        if name.endswith(".bias"):
            assert not values.any()
        elif values.ndim == 1:
            assert (values == 1).all()
        else:
            assert not torch.equal(values, second[name])
    again = weights(initialization)
    assert all(torch.equal(values, again[name]) for name, values in first.items())
