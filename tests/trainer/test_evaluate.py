"""Evaluation: each held-out token is predicted once, from the tokens before it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainer.evaluate import evaluate
from trainer.models import MODELS, DecoderDims

END = 90
TEXTS = [np.random.default_rng(7).integers(0, 80, n).astype(np.uint16) for n in (30, 0, 1, 200, 75)]
TOKENS = sum(map(len, TEXTS))


@pytest.fixture
def model():
    torch.manual_seed(2)
    return MODELS["llama"](DecoderDims(layers=1, width=32, heads=4, inner=64), 97)


@torch.no_grad()
def test_loss_is_that_of_each_document_alone(model) -> None:
    length = 64
    entropy = 0.0
    for text in TEXTS:
        led = torch.tensor([END, *text.tolist()])
        for start in range(0, len(text), length - 1):
            piece = led[None, start : start + length]
            entropy += float(
                F.cross_entropy(model.logits(piece)[0, :-1], piece[0, 1:], reduction="sum")
            )
    got = evaluate(
        model, TEXTS, end=END, length=length, text_bytes=lambda tokens: 3 * len(tokens), limit=100
    )
    assert got["documents"] == 4  # the empty one has nothing to predict
    assert got["tokens"] == TOKENS
    assert got["bytes"] == 3 * TOKENS
    assert got["loss"] == pytest.approx(entropy / TOKENS, rel=1e-5)
    assert got["bits_per_byte"] == pytest.approx(got["loss"] / math.log(2) / 3)


def test_the_limit_counts_documents(model) -> None:
    assert evaluate(model, TEXTS, end=END, length=64, text_bytes=len, limit=1)["tokens"] == 30
