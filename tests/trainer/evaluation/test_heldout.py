"""Losses on held-out documents equal those of `trainer.evaluate`."""

import pytest

from trainer.evaluate import evaluate_run
from trainer.evaluation.heldout import SHORT, evaluate_heldout
from trainer.evaluation.model import OwnModel
from trainer.run import Run
from trainer.sampling.language_model import LanguageModel


def test_the_losses_are_those_of_all_documents(job, trained: str) -> None:
    run, model = Run.open(trained), OwnModel(LanguageModel.open(trained))
    made = evaluate_heldout(run, job(model))
    wanted = evaluate_run(run, 256)["languages"]
    assert {name.partition("_")[0] for name in made} - {"infill"} == {
        SHORT[name] for name in wanted
    }
    infill = sum(score["infill_tokens"] * (score["infill_loss"] or 0) for score in wanted.values())
    for language, score in wanted.items():
        assert score["loss"] is not None
        loss, bits = made[f"{SHORT[language]}_loss"], made[f"{SHORT[language]}_bits"]
        assert loss["value"] == pytest.approx(score["loss"], rel=1e-5)
        assert bits["value"] == pytest.approx(score["bits_per_byte"], rel=1e-5)
        assert loss["count"] == score["documents"]
        assert loss["low"] is not None and loss["high"] is not None
        assert loss["low"] < score["loss"] < loss["high"]
    tokens = sum(score["infill_tokens"] for score in wanted.values())
    assert made["infill_loss"]["value"] == pytest.approx(infill / tokens, rel=1e-5)
