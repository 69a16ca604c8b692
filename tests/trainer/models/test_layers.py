"""The decoders: causality, cache, and the published sizes."""

import pytest
import torch

from trainer.models import MODELS, DecoderDims
from trainer.models.layers import KVCache

SMALL = DecoderDims(layers=2, width=64, heads=4, inner=160)
PUBLISHED = {
    ("codegen2", "1B"): 1.015e9,
    ("codegen2", "3.7B"): 3.64e9,
    ("codegen2", "7B"): 7.06e9,
    ("codegen2", "16B"): 16.0e9,
    ("llama", "7B"): 6.9e9,
}


def make(name: str, dims: DecoderDims = SMALL, vocabulary: int = 97):
    torch.manual_seed(3)
    model = MODELS[name](dims, vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize(("name", "size"), PUBLISHED)
def test_published_sizes_have_the_published_parameters(name: str, size: str) -> None:
    with torch.device("meta"):
        model = MODELS[name](MODELS[name].sizes[size], 51200)
    count = sum(p.numel() for p in model.parameters())
    assert count == pytest.approx(PUBLISHED[name, size], rel=0.005)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_a_token_attends_only_to_tokens_before_it(name: str) -> None:
    model = make(name)
    tokens = torch.randint(0, 97, (2, 24))
    changed = tokens.clone()
    changed[:, 15] = (changed[:, 15] + 1) % 97
    before, after = model.logits(tokens), model.logits(changed)
    assert torch.equal(before[:, :15], after[:, :15])
    assert not torch.allclose(before[:, 15:], after[:, 15:])


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_positions_of_a_prefix_attend_to_each_other(name: str) -> None:
    model, prefix = make(name), torch.tensor([10, 0])
    tokens = torch.randint(0, 97, (2, 24))

    def hidden_after(position: int):
        changed = tokens.clone()
        changed[:, position] = (changed[:, position] + 1) % 97
        return model.hidden(changed, prefix=prefix)

    whole = model.hidden(tokens, prefix=prefix)
    torch.testing.assert_close(whole[1], model.hidden(tokens)[1], rtol=1e-4, atol=1e-4)
    for position, seen_from in [(9, 0), (10, 10), (5, 0), (15, 15)]:
        after = hidden_after(position)
        assert torch.equal(after[0, :seen_from], whole[0, :seen_from])
        assert not torch.isclose(after[0, seen_from:], whole[0, seen_from:]).all(-1).any()
        assert torch.equal(after[1, :position], whole[1, :position])


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_decoding_with_the_cache_gives_the_same_logits(name: str) -> None:
    model = make(name)
    tokens = torch.randint(0, 97, (2, 20))
    whole = model.logits(tokens)
    cache = KVCache(SMALL.layers)
    parts = [model.logits(tokens[:, :7], cache)]
    parts += [model.logits(tokens[:, i : i + 1], cache) for i in range(7, 20)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_recomputed_activations_give_the_same_gradients(name: str) -> None:
    model = make(name)
    tokens, weights = torch.randint(0, 97, (2, 20)), torch.ones(2, 20)
    gradients = []
    for recompute in (False, True):
        for block in model.blocks:
            block.recompute = recompute
        model.zero_grad()
        model(tokens, weights).total.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
