"""Export: transformers computes the same logits. Names match even if rows are in wrong order."""

import pytest
import torch

from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import train_tokenizer
from trainer.export import export
from trainer.models import MODELS, DecoderDims

DIMS = {
    "codegen2": [
        DecoderDims(layers=2, width=64, heads=4, inner=256),
        DecoderDims(layers=1, width=768, heads=8, inner=100),
    ],
    "llama": [
        DecoderDims(layers=2, width=64, heads=4, inner=160),
        DecoderDims(layers=1, width=768, heads=8, inner=100),
    ],
}
CONTROL = SpecialTokens(end=256, sep=257, eom=258, mask_1=262, masks=4, vocabulary=263)
TOKENIZER = train_tokenizer(["a b c"], 263, 4)


def make(name: str, dims: DecoderDims):
    torch.manual_seed(1)
    model = MODELS[name](dims, CONTROL.vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize(("name", "dims"), [(n, s) for n, sizes in DIMS.items() for s in sizes])
@torch.no_grad()
def test_transformers_gives_the_same_logits(tmp_path, name: str, dims: DecoderDims) -> None:
    transformers = pytest.importorskip("transformers")
    model = make(name, dims)
    place = str(tmp_path / "hf")
    export(model, CONTROL, 128, TOKENIZER, place)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place).eval()
    assert theirs.config.eos_token_id == CONTROL.end
    tokens = torch.randint(0, CONTROL.vocabulary, (2, 33))
    difference = (theirs(tokens).logits - model.logits(tokens)).abs().max()
    assert difference < 2e-5 * model.logits(tokens).abs().max()
    assert transformers.AutoTokenizer.from_pretrained(place).decode([64]) == "a"


def test_an_existing_directory_is_refused(tmp_path) -> None:
    model = make("llama", DIMS["llama"][0])
    with pytest.raises(UsageError, match="exists"):
        export(model, CONTROL, 128, TOKENIZER, str(tmp_path))
