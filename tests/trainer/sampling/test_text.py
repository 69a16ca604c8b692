"""Texts: prompts by objective, stop tokens, control tokens, files of prompts."""

import json

import pytest
import torch

from manifests.errors import DataError, UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.objective import Attention
from objectives.tasks.registry import make_objectives
from tests.trainer.conftest import write_run
from trainer.config import load_run_config
from trainer.models import MODELS, DecoderDims
from trainer.run import Run
from trainer.sampling.generate import Sampling, generate
from trainer.sampling.language_model import LanguageModel
from trainer.sampling.text import Prompt, Sample, read_prompts, sample_texts, samples_text
from trainer.train import train

CONTROL = SpecialTokens(end=90, sep=91, eom=92, mask_1=96, masks=4, vocabulary=97)
FIM = {"fim": {"sentinels": [93, 94, 95]}}


def learned(objectives: set[str], attention: Attention = "causal") -> LanguageModel:
    """Return a model as if it had been trained on these objectives."""
    model = MODELS["codegen2"](DecoderDims(layers=1, width=16, heads=4, inner=16), 97)
    settings = {name: FIM[name] for name in objectives & FIM.keys()}
    made = make_objectives(objectives, CONTROL, settings, attention)
    return LanguageModel(model, "none", CONTROL, 64, made)


@pytest.mark.parametrize(
    ("objectives", "prompt", "stop"),
    [
        ({"clm", "causal_masking"}, [1, 2, 96, 3, 90, 96], 92),
        ({"clm", "span_corruption"}, [1, 2, 96, 3, 90, 91, 96], 92),
        ({"ul2_s", "ul2_x64"}, [1, 2, 96, 3, 90, 91, 96], 92),
        ({"clm", "fim"}, [93, 1, 2, 94, 3, 95], 90),
    ],
)
def test_a_gap_has_the_prompt_and_the_stop_token_of_its_objective(objectives, prompt, stop) -> None:
    model = learned(objectives)
    assert model.infill([1, 2], [3]) == prompt
    assert model._infiller.stop_tokens == {stop}


@pytest.mark.parametrize("objectives", [{"clm"}, {"clm", "ul2_s"}])
def test_a_model_without_an_infilling_objective_refuses_a_suffix(objectives) -> None:
    with pytest.raises(UsageError, match="no objective of this model fills in"):
        learned(objectives).infill([1], [2])


@pytest.fixture
def language_model(trained: str) -> LanguageModel:
    return LanguageModel.open(trained)


@pytest.mark.parametrize(
    ("objectives", "attention", "text", "gap"),
    [
        ({"clm", "span_corruption"}, "causal", None, None),
        ({"span_corruption"}, "causal", None, None),
        ({"clm", "span_corruption"}, "prefix", 0, 0),
        ({"clm", "fim"}, "prefix", 0, 0),
        ({"clm", "ul2_s", "ul2_x64"}, "causal", None, 1),
        ({"ul2_s", "ul2_x64"}, "causal", 0, 1),
    ],
)
def test_a_prefix_lm_sees_its_prompt_in_both_directions(
    language_model, objectives, attention, text, gap
) -> None:
    """How many tokens at the end of a prompt are behind its prefix; None: it has no prefix."""
    made = learned(objectives, attention).objectives
    changed = LanguageModel(
        language_model.model, language_model.tokenizer, language_model.control, 64, made
    )
    assert changed.continuation().prefix == text
    assert changed.infilling().prefix == gap


def test_a_run_with_a_prefix_and_task_tokens_is_prompted_so(tmp_path, dataset_with_dummies) -> None:
    """The sample is that of the task token and the text as a prefix."""
    path = write_run(tmp_path, dataset_with_dummies)
    chosen = ["data.attention=prefix", "data.task_tokens=true", "schedule.steps=1"]
    train(config := load_run_config(path, chosen))
    opened = LanguageModel.open(config.output)
    model, (task, other) = opened.model, Run.open(config.output).plan.task_tokens.values()
    assert opened.infill([1], [2])[0] == other
    assert opened.prompt([]) == [task, opened.control.end]
    ids = opened.prompt(opened.encode("def value(x"))
    assert ids[0] == task
    torch.manual_seed(5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    sampling, decoding = Sampling(tokens=6, temperature=0), opened.continuation()
    assert decoding.allowed is not None
    allowed = decoding.allowed.clone()
    allowed[list(decoding.stop)] = True

    @torch.no_grad()
    def likeliest(prefix: int) -> list[int]:
        tokens = list(ids)
        for _ in range(6):
            seen = model.hidden(torch.tensor([tokens]), prefix=torch.tensor([prefix]))
            logits = model.head(seen[0, -1])
            tokens.append(int(logits.masked_fill(~allowed, -torch.inf).argmax()))
        return tokens[len(ids) :]

    [[completion]] = generate(model, [ids], sampling, decoding)
    count = len(completion.tokens)
    assert completion.tokens == likeliest(len(ids))[:count] != likeliest(0)[:count]
    [[sample]] = sample_texts(opened, [Prompt("def value(x")], sampling)
    assert (sample.tokens, sample.ended) == (count, completion.ended)


def test_no_sample_has_a_control_token(language_model) -> None:
    control = language_model.control
    names = {control.end, control.sep, control.eom, control.mask(1), control.mask(control.masks)}
    with torch.no_grad():  # every control token is far likelier than any text
        language_model.model.head.bias[sorted(names)] += 50
    for decoding in (language_model.continuation(), language_model.infilling()):
        allowed = set(torch.nonzero(decoding.allowed)[:, 0].tolist())
        assert not names & allowed
        assert len(decoding.stop) == 1
    hot = Sampling(tokens=20, temperature=1.0, top_p=1.0, samples=8)
    prompts = [Prompt("def value("), Prompt("def value(", "\nreturn x")]
    for samples in sample_texts(language_model, prompts, hot):
        assert all(sample.ended == "stop" for sample in samples)
        assert not any("<mask_" in sample.text or "<sep>" in sample.text for sample in samples)


def test_prompts_of_both_kinds_come_back_in_their_order(language_model) -> None:
    prompts = [Prompt("a", "b"), Prompt("def value("), Prompt(""), Prompt("x = ", "\n")]
    sampling = Sampling(tokens=5, samples=2, temperature=1.0)
    together = sample_texts(language_model, prompts, sampling)
    assert together == [sample_texts(language_model, [p], sampling)[0] for p in prompts]


def test_a_run_of_fim_is_prompted_with_its_sentinels(configure) -> None:
    sentinels = "data.settings={ fim = { sentinels = [299, 300, 301] } }"
    train(config := configure("data.objective=fim", sentinels, "schedule.steps=1"))
    model = LanguageModel.open(config.output)
    assert model.infill([1, 2], [3]) == [299, 1, 2, 300, 3, 301]
    assert model.infilling().stop == {Run.open(config.output).plan.control.end}
    allowed = model.infilling().allowed
    assert allowed is not None and not allowed[[299, 300, 301]].any()
    [made] = sample_texts(model, [Prompt("def ", "return")], Sampling(tokens=4, samples=2))
    assert len(made) == 2


def test_a_path_that_is_no_model_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"neither a run, for it has no plan\.json, nor a model"):
        LanguageModel.open(str(tmp_path))


def test_prompts_are_read_from_json_lines(tmp_path) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [{"prefix": "a"}, {"prefix": "b", "suffix": "c"}, {"prefix": "d", "suffix": None}]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    assert read_prompts(str(path)) == [Prompt("a"), Prompt("b", "c"), Prompt("d")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 is not an object with a text `prefix`"),
        ('{"prefix": 3}', "line 2 is not an object with a text `prefix`"),
        ('{"prefix": "a", "suffix": 3}', "line 2: `suffix` is not a text"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line: str, message: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prefix": "a"}\n' + line)
    with pytest.raises(DataError, match=message):
        read_prompts(str(path))


def test_a_file_without_prompts_is_refused(tmp_path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n")
    with pytest.raises(UsageError, match="has no prompt"):
        read_prompts(str(path))


def test_text_says_why_a_sample_ended_and_replaces_control_characters() -> None:
    prompts = [Prompt("a\x1b[2J", "c\x1b[31m"), Prompt("p")]
    samples = [[Sample("b\x1b]0;title\x07", 3, "stop")], [Sample("q", 1, "context")]]
    shown = samples_text(prompts, samples).plain
    assert "\x1b" not in shown
    assert shown.endswith("pq[the end of the model's context]")
