"""The chunked loss equals PyTorch's cross-entropy."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.torch_memory import peak_bytes
from trainer.models import MODELS, DecoderDims
from trainer.models.loss import weighted_loss


def make(rows: int, vocabulary: int, width: int = 16):
    torch.manual_seed(rows * vocabulary)
    hidden = torch.randn(rows, width, requires_grad=True)
    weight = torch.randn(vocabulary, width, requires_grad=True)
    bias = torch.randn(vocabulary, requires_grad=True)
    targets = torch.randint(0, vocabulary, (rows,))
    weights = torch.rand(rows) * (torch.rand(rows) > 0.3)
    return hidden, weight, bias, targets, weights


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
@pytest.mark.parametrize("chunk", [1, 7 * 33, 1 << 20])
def test_loss_and_gradients_are_those_of_cross_entropy(chunk, z_loss, with_bias) -> None:
    hidden, weight, bias, targets, weights = make(50, 33)
    inputs = [hidden, weight, bias] if with_bias else [hidden, weight]
    logits = F.linear(hidden, weight, bias if with_bias else None)
    entropy = (F.cross_entropy(logits, targets, reduction="none") * weights).sum()
    total = entropy + z_loss * (logits.logsumexp(1).square() * weights).sum()
    wanted = torch.autograd.grad(total / 7, inputs)
    used_bias = bias if with_bias else None
    options = {"z_loss": z_loss, "chunk_elements": chunk}
    ours = weighted_loss(hidden, weight, used_bias, targets, weights, **options)
    got = torch.autograd.grad(ours.total / 7, inputs)
    losses = F.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(ours.entropy, losses.detach() * weights)
    torch.testing.assert_close(ours.total, total)
    for ours_gradient, gradient in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours_gradient, gradient, rtol=1e-4, atol=1e-5)


def test_without_gradients_the_loss_is_the_same() -> None:
    hidden, weight, bias, targets, weights = make(20, 11)
    with torch.no_grad():
        alone = weighted_loss(hidden, weight, bias, targets, weights)
    assert torch.equal(alone.total, weighted_loss(hidden, weight, bias, targets, weights).total)


def test_without_gradients_only_the_logits_are_computed() -> None:
    hidden, weight, bias, targets, weights = make(20, 11)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        weighted_loss(hidden, weight, bias, targets, weights)
    assert counter.get_total_flops() == 2 * 20 * 11 * 16


def test_the_memory_of_the_logits_is_that_of_a_chunk() -> None:
    rows, vocabulary = 4096, 512
    hidden, weight, bias, targets, weights = make(rows, vocabulary, width=4)
    elements = rows * vocabulary
    chunk = elements // 16
    peak = peak_bytes(
        lambda: weighted_loss(hidden, weight, bias, targets, weights, chunk_elements=chunk)
    )
    assert elements * 4 / 16 <= peak < elements * 4 / 10


def test_the_model_shifts_weights_to_the_token_before() -> None:
    torch.manual_seed(0)
    model = MODELS["codegen2"](DecoderDims(layers=1, width=32, heads=4, inner=64), 50)
    tokens = torch.randint(0, 50, (1, 12))
    weights = torch.zeros(1, 12)
    weights[0, 5] = 1  # the loss of predicting token 5, from token 4's output
    wanted = F.cross_entropy(model.logits(tokens)[0, 4:5], tokens[0, 5:6])
    torch.testing.assert_close(model(tokens, weights).entropy, wanted.detach()[None])
    first = torch.zeros(1, 12)
    first[0, 0] = 1  # nothing predicts the first token
    assert model(tokens, first).entropy == 0
