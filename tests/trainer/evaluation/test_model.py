"""Likelihoods equal a plain computation, and stop texts end samples."""

import pytest
import torch

from trainer.evaluation.model import OwnModel, Question
from trainer.models.loss import CHUNK_ELEMENTS
from trainer.sampling.generate import Sampling
from trainer.sampling.language_model import LanguageModel
from trainer.sampling.text import Prompt


@pytest.fixture(scope="module")
def model(trained: str) -> OwnModel:
    return OwnModel(LanguageModel.open(trained))


@torch.no_grad()
def test_likelihoods_are_those_of_each_question_alone(model) -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = [(1, 1), (5, 3), (40, 20), (3, 9)]
    questions = [
        Question(*(torch.randint(0, 90, (n,), generator=generator).tolist() for n in pair))
        for pair in sizes
    ]
    decoder = model.model.model
    prompt = [3, 4]
    likeliest = int(decoder.logits(torch.tensor([prompt]))[0, -1].argmax())
    questions.append(Question(prompt, [likeliest]))
    for (prompt, answer), got in zip(questions, model.likelihoods(questions), strict=True):
        logits = decoder.logits(torch.tensor([prompt + answer]))[0, len(prompt) - 1 : -1]
        wanted = logits.log_softmax(1)[range(len(answer)), answer].sum()
        assert got.log_probability == pytest.approx(float(wanted), rel=1e-5)
        assert got.greedy == (logits.argmax(1).tolist() == answer)
        assert got.tokens == len(answer)
    assert got.greedy


def test_the_logits_of_a_batch_never_exist_at_once(model, monkeypatch) -> None:
    questions = [Question([1, 2], list(range(3, 40))), Question([5], [6, 7])]
    wanted = model.likelihoods(questions)
    decoder, sizes = model.model.model, []
    limit = 4 * decoder.vocabulary
    monkeypatch.setitem(CHUNK_ELEMENTS, "cpu", limit)
    hook = decoder.head.register_forward_hook(lambda *made: sizes.append(made[-1].numel()))
    made = model.likelihoods(questions)
    hook.remove()
    assert max(sizes) == limit and len(sizes) == 10
    for one, other in zip(made, wanted, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-6)
        assert one[1:] == other[1:]


def test_a_stop_text_ends_a_sample_early(model) -> None:
    sampling = Sampling(tokens=30, temperature=1.0, samples=3)
    prompt = model.prompt_ids(Prompt("def value("))
    [texts] = model.sample([prompt], False, sampling, ())
    stop = texts[0][3:5]
    [ended] = model.sample([prompt], False, sampling, (stop,))
    for text, short in zip(texts, ended, strict=True):
        assert text.startswith(short)
        assert stop not in short[: -len(stop) - 8]
    assert len(ended[0]) < len(texts[0])
