"""Sampling: the prompt, the cache, temperature and top-p."""

import pytest
import torch

from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.stream.plan import Plan
from objectives.tasks.slot import Slot
from trainer.models import MODELS, DecoderDims
from trainer.run import Run
from trainer.sample import (
    Sampling,
    _infill_prompt,
    generate,
    sample_text,
    sample_top_p,
    samples_text,
)
from trainer.train import train

CONTROL = SpecialTokens(end=90, sep=91, eom=92, mask_1=96, masks=4, vocabulary=97)


@pytest.fixture(params=sorted(MODELS))
def model(request):
    torch.manual_seed(5)
    model = MODELS[request.param](DecoderDims(layers=2, width=64, heads=4, inner=128), 97)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_a_run_of_fim_is_prompted_with_its_sentinels(configure) -> None:
    sentinels = "data.settings={ fim = { sentinels = [300, 301, 302] } }"
    train(config := configure("data.objective=fim", sentinels, "schedule.steps=1"))
    run = Run.open(config.output)
    prompt, stop = _infill_prompt(run.plan, [1, 2], [3])
    assert prompt == [300, 1, 2, 301, 3, 302]
    assert stop == {run.plan.control.end}
    assert len(sample_text(run, "def ", "return", Sampling(tokens=4, samples=2))) == 2


@pytest.mark.parametrize(
    ("learned", "wanted"),
    [
        ({"clm", "causal_masking"}, [1, 2, 96, 3, 90, 96]),
        ({"ul2_s", "ul2_x64"}, [1, 2, 96, 3, 90, 91, 96]),
        ({"span_corruption", "fim", "causal_masking"}, [1, 2, 96, 3, 90, 91, 96]),
        ({"causal_masking", "ul2_r3"}, [1, 2, 96, 3, 90, 96]),
    ],
)
def test_a_run_is_prompted_by_the_objective_it_was_trained_on(trained, learned, wanted) -> None:
    prompt, stop = _infill_prompt(_learned(trained, learned), [1, 2], [3])
    assert prompt == wanted
    assert stop == {CONTROL.end, CONTROL.eom}


@pytest.mark.parametrize("learned", [{"clm"}, {"prefix_lm", "ul2_s"}])
def test_a_run_without_an_infilling_objective_refuses_a_suffix(trained, learned) -> None:
    with pytest.raises(UsageError, match="no objective of this run fills in"):
        _infill_prompt(_learned(trained, learned), [1, 2], [3])


def _learned(run: str, objectives: set[str]) -> Plan:
    """Return a run's plan as if it had these objectives, and CONTROL."""
    plan = Run.open(run).plan
    slots = [Slot(objective=name, reserved_tokens=0) for name in sorted(objectives)]
    stages = [stage.model_copy(update={"slots": slots}) for stage in plan.stages]
    settings = {"fim": {"sentinels": [93, 94, 95]}}
    return plan.model_copy(update={"stages": stages, "control": CONTROL, "settings": settings})


@torch.no_grad()
def test_greedy_tokens_are_the_same_without_a_cache(model) -> None:
    prompt = [5, 17, 3]
    got = generate(model, prompt, frozenset(), Sampling(tokens=12, temperature=0.0))[0]
    wanted = list(prompt)
    for _ in range(12):
        wanted.append(int(model.logits(torch.tensor([wanted]))[0, -1].argmax()))
    assert got == wanted[3:]


def test_a_seed_gives_the_same_tokens_and_samples_differ(model) -> None:
    def draw(seed: int):
        sampling = Sampling(tokens=8, temperature=1.0, top_p=1.0, seed=seed, samples=3)
        return generate(model, [1], frozenset(), sampling)

    assert draw(1) == draw(1) != draw(2)
    assert len({tuple(row) for row in draw(1)}) > 1


def test_a_stop_id_ends_a_sample_and_is_left_out(model) -> None:
    greedy = Sampling(tokens=8, temperature=0.0)
    whole = generate(model, [1], frozenset(), greedy)[0]
    stop = whole[-1]
    cut = generate(model, [1], frozenset({stop}), greedy)[0]
    assert cut == whole[: whole.index(stop)]


def test_top_p_keeps_the_likeliest_tokens_only() -> None:
    logits = torch.log(torch.tensor([[0.05, 0.5, 0.15, 0.3]])).expand(4000, 4)
    generator = torch.Generator().manual_seed(0)
    assert set(sample_top_p(logits, 1.0, 0.79, generator).flatten().tolist()) == {1, 3}
    counts = sample_top_p(logits, 1.0, 1.0, generator).flatten().bincount(minlength=4) / 4000
    torch.testing.assert_close(counts, torch.tensor([0.05, 0.5, 0.15, 0.3]), atol=0.03, rtol=0)
    assert set(sample_top_p(logits, 1.0, 0.0, generator).flatten().tolist()) == {1}
    assert set(sample_top_p(logits, 0.0, 1.0, generator).flatten().tolist()) == {1}


def test_control_characters_of_sampled_text_are_replaced() -> None:
    assert "\x1b" not in samples_text("a\x1b[2J", ["b\x1b]0;title\x07"], "c\x1b[31m").plain
