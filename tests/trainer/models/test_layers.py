"""The decoders: causality, cache, prefixes, recomputation, and dimensions."""

import math
from operator import mul

import pytest
import torch

from manifests.errors import UsageError
from trainer.models import MODELS, Decoder, DecoderDims
from trainer.models.kv_cache import KVCache
from trainer.models.layers import Attention, prefix_mask, rotary_table

SMALL = DecoderDims(layers=2, width=64, heads=4, inner=160)


def make(name: str, dims: DecoderDims = SMALL, vocabulary: int = 97):
    torch.manual_seed(3)
    model = MODELS[name](dims, vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


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


@pytest.mark.parametrize("sizes", [[0, 3, 9], [1, 8, 5]])
@torch.no_grad()
def test_attention_with_a_prefix_is_that_of_plain_python(sizes: list[int]) -> None:
    """Each position mixes the values of those that it sees, by the softmax of its products."""
    torch.manual_seed(1)
    dims, length = DecoderDims(layers=1, width=8, heads=2, inner=8), 9
    attention = Attention(dims, 0)
    x = torch.randn(len(sizes), length, dims.width)
    no_turn = rotary_table(torch.zeros(length, dtype=torch.int64), 4, 10000.0)
    got = attention(x, no_turn, None, prefix_mask(torch.tensor(sizes), length))
    for row, prefix in enumerate(sizes):
        heads = attention.qkv(x[row]).view(length, 3, dims.heads, dims.head_dim).tolist()
        for i in range(length):
            seen = range(max(i + 1, prefix))
            mixed = []
            for head in range(dims.heads):
                query = heads[i][0][head]
                scores = [
                    math.exp(sum(map(mul, query, heads[j][1][head])) / math.sqrt(dims.head_dim))
                    for j in seen
                ]
                for column in range(dims.head_dim):
                    values = [heads[j][2][head][column] for j in seen]
                    mixed.append(sum(map(mul, scores, values)) / sum(scores))
            torch.testing.assert_close(got[row, i], attention.out(torch.tensor(mixed)))


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_decoding_with_the_cache_gives_the_same_logits(name: str) -> None:
    model = make(name)
    tokens, lengths = torch.randint(0, 97, (3, 20)), torch.tensor([7, 3, 7])
    cache = KVCache.allocate(
        SMALL.layers, 3, SMALL.heads, 20, SMALL.head_dim, device=torch.device("cpu"),
        dtype=torch.float32,
    )  # fmt: skip
    model.hidden(tokens[:, :7], cache)
    cache.set_lengths(lengths)
    for step in range(12):
        places = lengths + step
        next_tokens = tokens[torch.arange(3), places][:, None]
        got = model.head(model.hidden(next_tokens, cache)[:, 0])
        cache.advance()
        for row, place in enumerate(places.tolist()):
            wanted = model.logits(tokens[row : row + 1, : place + 1])[0, -1]
            torch.testing.assert_close(got[row], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("llama", {"width": 60}, "width must be a multiple of twice the heads"),
        ("codegen2", {"width": 60, "heads": 6}, "heads must be a multiple of 4"),
        ("codegen2", {"rotary": 18}, "rotary is 18, and a head has 16 dimensions"),
        ("codegen2", {"rotary_base": 1e6}, "CodeGen's rotary_base is 10000"),
        ("llama", {"rotary": 8}, "Llama rotates the whole head"),
    ],
)
def test_dimensions_that_a_model_cannot_have_are_refused(name, changed, message) -> None:
    with pytest.raises(UsageError, match=message):
        MODELS[name](SMALL.model_copy(update=changed), 97)


@torch.no_grad()
def test_rotary_dimensions_base_and_epsilon_change_the_computation() -> None:
    tokens = torch.randint(0, 97, (1, 24))

    def logits(name: str, **changed):
        return make(name, SMALL.model_copy(update=changed)).logits(tokens)

    assert not torch.allclose(logits("codegen2"), logits("codegen2", rotary=8))
    assert torch.equal(logits("codegen2"), logits("codegen2", rotary=16))
    assert not torch.allclose(logits("llama"), logits("llama", rotary_base=100.0))
    assert not torch.allclose(logits("llama"), logits("llama", norm_epsilon=0.1))


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


def test_a_model_that_transformers_lacks_cannot_be_imported() -> None:
    with pytest.raises(UsageError, match="transformers has no such model"):
        Decoder.from_hf_config({})
