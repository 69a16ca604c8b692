"""XSum: the prompt, cut documents, and ROUGE-L."""

import pytest

from manifests.errors import UsageError
from tests.trainer.evaluation.conftest import Scripted
from trainer.evaluation.xsum import TOKENS, evaluate_xsum, rouge_l


def test_summaries_follow_one_example(job, tmp_path) -> None:
    model = Scripted({"\nSummary:": [" Text 1.\nDocument: more"]})
    metrics = evaluate_xsum(job(model))
    assert metrics["rouge_l"]["value"] == pytest.approx((1 + 1 / 2) / 2)
    [[first, _]] = model.calls
    assert first == (
        "Document: A long text 0. It says more.\nSummary: Text 0.\n\n"
        "Document: A long text 1. It says more.\nSummary:"
    )
    path = tmp_path / "out" / "summaries.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 5])
    assert evaluate_xsum(job(Scripted(model.answers))) == metrics
    assert path.read_bytes() == whole


def test_documents_are_cut_to_the_context(job) -> None:
    model = Scripted({"\nSummary:": ["Text"]}, context=64 + 60)
    evaluate_xsum(job(model))
    assert all(len(prompt) + TOKENS <= model.context for prompt in model.calls[0])
    assert model.calls[0][0].startswith("Document: A l")


def test_a_context_without_room_for_documents_is_refused(job) -> None:
    with pytest.raises(UsageError, match="xsum: the prompt has"):
        evaluate_xsum(job(Scripted({}, context=60)))


def test_long_prompts_fail(job) -> None:
    model = Scripted({}, context=60)
    metrics = evaluate_xsum(job(model, long_prompts="fail"))
    assert (metrics["rouge_l"]["value"], metrics["rouge_l"]["count"]) == (0, 2)
    assert model.calls == [[]]


@pytest.mark.parametrize(
    ("reference", "text", "score"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 1.0),
        ("the cat sat on the mat", "The mat: the CAT!", 2 * 2 / 10),
        ("a b c d", "d c b a", 2 / 8),
        ("police killed the gunman", "police kill the gunman", 0.75),  # Lin 2004, section 3.1
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("a", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_rouge_l_is_the_longest_common_subsequence(reference, text, score) -> None:
    assert rouge_l(reference, text) == pytest.approx(score)
