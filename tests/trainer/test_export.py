"""Exports: transformers must give the same logits, for keys match even when rows are wrong."""

import json

import pytest
import torch

from manifests.control import Control
from manifests.errors import BadCall
from trainer import export as module
from trainer.models import MODELS, Shape

SHAPES = {
    "codegen2": [Shape(layers=2, width=64, heads=4, inner=256), Shape(layers=1, width=768, heads=8, inner=100)],
    "llama": [Shape(layers=2, width=64, heads=4, inner=160), Shape(layers=1, width=768, heads=8, inner=100)],
}
CONTROL = Control(end=90, sep=91, eom=92, mask_1=96, masks=4, vocabulary=97)
TOKENIZER = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "BPE", "vocab": {"a": 0, "<|endoftext|>": 1}, "merges": []},
    }
).encode()


def make(name: str, shape: Shape):
    torch.manual_seed(1)
    model = MODELS[name](shape, CONTROL.vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize(("name", "shape"), [(n, s) for n, shapes in SHAPES.items() for s in shapes])
@torch.no_grad()
def test_transformers_gives_the_same_logits(tmp_path, name: str, shape: Shape) -> None:
    transformers = pytest.importorskip("transformers")
    model = make(name, shape)
    place = str(tmp_path / "hf")
    module.export(model, CONTROL, 128, TOKENIZER, place)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place).eval()
    assert theirs.config.eos_token_id == CONTROL.end
    tokens = torch.randint(0, CONTROL.vocabulary, (2, 33))
    difference = (theirs(tokens).logits - model.logits(tokens)).abs().max()
    assert difference < 2e-5 * model.logits(tokens).abs().max()
    assert transformers.AutoTokenizer.from_pretrained(place).decode([0]) == "a"


def test_an_existing_directory_is_refused(tmp_path) -> None:
    model = make("llama", SHAPES["llama"][0])
    with pytest.raises(BadCall, match="exists"):
        module.export(model, CONTROL, 128, TOKENIZER, str(tmp_path))
