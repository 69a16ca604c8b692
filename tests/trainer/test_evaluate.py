"""Evaluation: each held-out token is predicted once, from the tokens before it."""

import math
import os
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from manifests.special_tokens import SpecialTokens
from objectives.tasks.registry import make_objective
from tests.trainer.recorder import Recorder, kill
from trainer.evaluate import Validation, evaluate_run
from trainer.heldout import HeldOutDocument, ScoredSequence, text_sequences
from trainer.metrics import read_metrics
from trainer.models import MODELS, DecoderDims
from trainer.run import Run
from trainer.train import train

END = 90
CLM = make_objective("clm", SpecialTokens(end=END, vocabulary=97), {})
TEXTS = [np.random.default_rng(7).integers(0, 80, n).astype(np.uint16) for n in (30, 1, 200, 75)]
TOKENS = sum(map(len, TEXTS))


@pytest.fixture
def model():
    torch.manual_seed(2)
    return MODELS["llama"](DecoderDims(layers=1, width=32, heads=4, inner=64), 97)


def documents(length: int, component: str = "a/b") -> list[HeldOutDocument]:
    return [
        HeldOutDocument(
            component,
            "natural language",
            3 * len(text),
            len(text),
            list(text_sequences(text, CLM, length, 0)),
        )
        for text in TEXTS
    ]


def test_a_loss_that_is_not_finite_is_none(model) -> None:
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    [scores] = Validation(documents(64)).scores(model)["languages"].values()
    assert (scores["loss"], scores["bits_per_byte"]) == (None, None)


@torch.no_grad()
@pytest.mark.parametrize(("budget", "padded"), [(128, None), (1 << 14, None), (256, 64)])
def test_loss_is_that_of_each_document_alone(model, budget, padded) -> None:
    length = 64
    entropy = 0.0
    for text in TEXTS:
        led = torch.tensor([END, *text.tolist()])
        for start in range(0, len(text), length - 1):
            piece = led[None, start : start + length]
            entropy += float(
                F.cross_entropy(model.logits(piece)[0, :-1], piece[0, 1:], reduction="sum")
            )
    scores = Validation(documents(length), budget, padded).scores(model)
    got = scores["components"]["a/b"]
    assert got == scores["components"]["all"] == scores["languages"]["natural language"]
    assert (got["documents"], got["tokens"], got["bytes"]) == (len(TEXTS), TOKENS, 3 * TOKENS)
    assert got["loss"] == pytest.approx(entropy / TOKENS, rel=1e-5)
    assert got["bits_per_byte"] == pytest.approx(entropy / TOKENS / math.log(2) / 3, rel=1e-5)
    assert (got["infill_tokens"], got["infill_loss"]) == (0, None)


@torch.no_grad()
@pytest.mark.parametrize("prefix", [0, 5])
def test_the_infill_loss_is_that_of_the_answers(model, prefix) -> None:
    tokens = TEXTS[0]
    gap = ScoredSequence(tokens, 10, prefix, True)
    given = [
        HeldOutDocument("a/b", "natural language", 9, len(t), [*text_sequences(t, CLM, 64, 0), gap])
        for t in TEXTS
    ]
    text = torch.from_numpy(tokens.astype(np.int64))[None]
    weights = torch.zeros(text.shape)
    weights[:, 10:] = 1
    sees = torch.tensor([prefix]) if prefix else None
    entropy = float(model(text, weights, prefix=sees).entropy.sum())
    got = Validation(given).scores(model)["components"]["a/b"]
    assert got["infill_tokens"] == 20 * len(TEXTS)
    assert got["infill_loss"] == pytest.approx(entropy / 20, rel=1e-5)
    assert got["loss"] == Validation(documents(64)).scores(model)["components"]["a/b"]["loss"]


VALIDATED = ["validation.every=3", "validation.documents=5"]


def lines(path: str) -> list[Any]:
    return list(read_metrics(os.path.join(path, "metrics.jsonl")))


def test_validation_changes_no_weight_and_is_that_of_the_checkpoint(configure) -> None:
    train(plain := configure("output=plain"))
    with pytest.raises(MemoryError):
        train(configure(*VALIDATED), source=Recorder(5, kill))
    train(config := configure(*VALIDATED))
    weights = [Run.open(c.output).model().state_dict().values() for c in (plain, config)]
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))
    pairs = zip(lines(plain.output), lines(config.output), strict=True)
    assert all(one["loss"] == other["loss"] for one, other in pairs)
    scores = {m["step"]: m["validation"] for m in lines(config.output) if "validation" in m}
    assert list(scores) == [3, 6, 8]
    run = Run.open(config.output)
    for step, score in scores.items():
        evaluated = evaluate_run(run, 5, step)
        for name in ("the-stack/python", "all"):
            wanted = evaluated["components"][name]
            assert score["components"][name] == pytest.approx(wanted, rel=1e-6)
            assert wanted["infill_loss"] is not None and wanted["infill_loss"] > 1
    losses = [score["languages"]["programming language"]["loss"] for score in scores.values()]
    assert losses == sorted(losses, reverse=True)
