"""LAMBADA and PIQA: prompts, numbers by hand, truncation, and restarts."""

import math

import pytest

from manifests.errors import DataError, UsageError
from tests.trainer.evaluation.conftest import Scripted
from trainer.evaluation.likelihood_tasks import evaluate_lambada, evaluate_piqa, question


def likelihood(text: str) -> float:
    return -float(sum(map(ord, text)))


def test_lambada_scores_the_last_word_with_its_space(job) -> None:
    metrics = evaluate_lambada(job(Scripted({})))
    scores = [likelihood(" mat"), likelihood(" x")]
    assert metrics["perplexity"]["value"] == pytest.approx(math.exp(min(-sum(scores) / 2, 700)))
    assert metrics["accuracy"]["value"] == 1  # a space is even


def test_piqa_compares_solutions_by_probability_and_by_character(job) -> None:
    metrics = evaluate_piqa(job(Scripted({})))
    first, second = "turn it", "turn the handle"
    assert likelihood(f" {first}") > likelihood(f" {second}")  # the labels are 1 and 0
    assert metrics["acc"]["value"] == 0.5
    norms = [likelihood(f" {text}") / len(text) for text in (first, second)]
    assert norms[1] > norms[0]
    assert metrics["acc_norm"]["value"] == 0.5


def test_a_long_context_loses_its_front_and_spaces_go_to_the_answer() -> None:
    model = Scripted({}, context=10)
    encode = model.encode
    assert question(model, "t", "abc", " d") == (encode("abc"), encode(" d"))
    assert question(model, "t", "abc  ", " d") == (encode("abc"), encode("   d"))
    assert question(model, "t", "", " d") == ([0], encode(" d"))
    made = question(model, "t", "abcdefghijkl", " xy")
    assert len(made.prompt) + len(made.answer) - 1 == model.context
    assert made == (encode("efghijkl"), encode(" xy"))
    marked = question(Scripted({}, context=10, front=(7,)), "t", "abcdefghijkl", " xy")
    assert marked == ([7, *encode("fghijkl")], encode(" xy"))
    with pytest.raises(UsageError, match=r"t: the answer has 11 tokens, .* a context of 10"):
        question(model, "t", "a", "x" * 11)


def test_a_restart_scores_only_the_rest(job, tmp_path) -> None:
    wanted = evaluate_lambada(job(Scripted({})))
    path = tmp_path / "out" / "likelihoods.jsonl"
    whole = path.read_bytes()
    first = whole.splitlines(keepends=True)[0]
    path.write_bytes(first + b'{"ro')
    assert evaluate_lambada(job(Scripted({}))) == wanted
    assert path.read_bytes() == whole
    path.write_bytes(first * 2)
    with pytest.raises(DataError, match="not those of the rows"):
        evaluate_lambada(job(Scripted({})))


def test_labels_are_zeros_and_ones(job, benchmarks, tmp_path) -> None:
    path = benchmarks / "piqa_valid-labels.lst"
    before = path.read_text()
    try:
        for text, message in (
            ("1\n2\n", "line 2 is neither 0 nor 1"),
            ("1\n", "has 1 labels of 2"),
        ):
            path.write_text(text)
            (tmp_path / "out" / "data.json").unlink(missing_ok=True)
            with pytest.raises(DataError, match=message):
                evaluate_piqa(job(Scripted({})))
    finally:
        path.write_text(before)
