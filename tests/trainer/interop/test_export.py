"""Export: transformers computes the same logits and generates the same text."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from manifests.errors import UsageError
from tests.trainer.conftest import write_run
from tests.trainer.interop.conftest import CONTROL, TOKENIZER, make
from trainer.config import load_run_config
from trainer.interop import weights
from trainer.interop.export import export, export_run
from trainer.models import DecoderDims
from trainer.run import Run
from trainer.sampling.generate import Sampling, generate
from trainer.sampling.language_model import LanguageModel
from trainer.sampling.text import Prompt, sample_texts
from trainer.train import train

transformers = pytest.importorskip("transformers")

SHAPES = [
    ("codegen2", DecoderDims(layers=2, width=64, heads=4, inner=256)),
    ("codegen2", DecoderDims(layers=1, width=768, heads=8, inner=100)),
    ("codegen2", DecoderDims(layers=2, width=128, heads=4, inner=100, rotary=16)),
    ("llama", DecoderDims(layers=2, width=64, heads=4, inner=160)),
    ("llama", DecoderDims(layers=1, width=768, heads=8, inner=100)),
    (
        "llama",
        DecoderDims(layers=1, width=64, heads=4, inner=64, rotary_base=100.0, norm_epsilon=1e-3),
    ),
]


@pytest.mark.parametrize(("name", "dims"), SHAPES)
@torch.no_grad()
def test_transformers_gives_the_same_logits(exported, name: str, dims: DecoderDims) -> None:
    model = make(name, dims)
    place = exported(model)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place).eval()
    assert theirs.config.eos_token_id == CONTROL.end
    tokens = torch.randint(0, CONTROL.vocabulary, (2, 33))
    difference = (theirs(tokens).logits - model.logits(tokens)).abs().max()
    assert difference < 1e-5 * max(1.0, float(model.logits(tokens).abs().max()))
    assert transformers.AutoTokenizer.from_pretrained(place).decode([64]) == "a"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_files_have_the_dtype_and_the_rounded_weights(exported, dtype) -> None:
    model = make(*SHAPES[0])
    place = exported(model, dtype=dtype)
    wanted = model.hf_tensors()
    with safe_open(f"{place}/model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        for name in wanted:
            assert torch.equal(file.get_tensor(name), wanted[name].to(getattr(torch, dtype)))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place)
    assert theirs.dtype == getattr(torch, dtype)


@torch.no_grad()
def test_large_weights_become_several_files_with_an_index(exported, monkeypatch) -> None:
    monkeypatch.setattr(weights, "SHARD_SIZE", 100_000)
    model = make(*SHAPES[0])
    place = exported(model)
    index = json.loads(Path(place, "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 4 * sum(p.numel() for p in model.parameters())
    assert len(set(index["weight_map"].values())) > 2
    assert set(index["weight_map"]) == set(model.hf_tensors())
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place).eval()
    tokens = torch.randint(0, CONTROL.vocabulary, (2, 9))
    torch.testing.assert_close(theirs(tokens).logits, model.logits(tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("suffix", [None, "\nreturn x"])
@pytest.mark.parametrize("prefix", ["def value(", "import os\n\n\nclass"])
def test_greedy_generation_by_transformers_is_that_of_sample(
    trained, tmp_path, prefix, suffix
) -> None:
    place = str(tmp_path / "hf")
    export_run(Run.open(trained), place)
    model = LanguageModel.open(trained)
    with torch.no_grad():  # without the suppression, control tokens would be drawn
        model.model.head.bias[model.control.mask(2)] += 50
    [[ours]] = sample_texts(model, [Prompt(prefix, suffix)], Sampling(24, temperature=0))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place).eval()
    with torch.no_grad():
        theirs.lm_head.bias[model.control.mask(2)] += 50
    decoder = transformers.AutoTokenizer.from_pretrained(place)
    ids, name = model.encode(prefix), "generation_config.json"
    assert dict(decoder(prefix)) == {"input_ids": ids, "attention_mask": [1] * len(ids)}
    assert decoder.model_input_names == ["input_ids", "attention_mask"]
    if suffix is not None:
        ids, name = model.infill(ids, model.encode(suffix)), "generation_config_infill.json"
    config = transformers.GenerationConfig.from_pretrained(place, name)
    made = theirs.generate(
        torch.tensor([ids]), generation_config=config, max_new_tokens=24, do_sample=False
    )[0, len(ids) :].tolist()
    stop = model.control.end if suffix is None else model.control.eom
    tokens = made[: made.index(stop)] if stop in made else made
    if ours.text == decoder.decode(tokens):
        assert (ours.ended == "stop") == (stop in made)
        assert ours.tokens == len(tokens) > 3
        return
    decoding = model.continuation() if suffix is None else model.infilling()
    [[mine]] = generate(model.model, [ids], Sampling(24, temperature=0), decoding)
    pairs = zip(mine.tokens, tokens, strict=False)
    same = next(i for i, (one, other) in enumerate(pairs) if one != other)
    with torch.no_grad():
        logits = model.model.logits(torch.tensor([ids + tokens[:same]]))[0, -1]
    assert abs(float(logits[mine.tokens[same]] - logits[tokens[same]])) < 1e-4


def test_the_card_says_what_the_model_was_trained_on(trained, tmp_path) -> None:
    place = str(tmp_path / "hf")
    run = Run.open(trained)
    export_run(run, place)
    card = Path(place, "README.md").read_text()
    assert "library_name: transformers" in card.split("---\n")[1]
    record = json.loads(Path(place, "stackpile.json").read_text())
    assert set(record["objectives"]) == {"clm", "span_corruption"}
    assert (record["step"], record["plan"]) == (4, run.plan.digest)
    metrics = run.metrics_of(4)
    for component, planned in zip(record["components"], run.plan.components, strict=True):
        assert component["digest"] == planned.digest
        assert component["tokens"] == metrics["components"][component["name"]]["addresses"]
        counts = component["licenses"].values()
        assert sum(count["documents"] for count in counts) == planned.documents
        assert sum(count["tokens"] for count in counts) == planned.addresses
        assert f"| {component['name']} | {component['tokens']:,} |" in card
    assert "PREFIX" in card and "SUFFIX" in card


def test_a_prefix_lm_is_refused_and_one_in_part_is_marked(configure, tmp_path) -> None:
    train(config := configure("data.attention=prefix", "schedule.steps=1"))
    with pytest.raises(UsageError, match="is a Prefix-LM"):
        export_run(Run.open(config.output), str(tmp_path / "hf"))
    assert not (tmp_path / "hf").exists()
    mixed = configure(
        "data.objective={ clm = 0.5, ul2_s = 0.5 }",
        "schedule.steps=1",
        f"output={tmp_path / 'mixed'}",
    )
    train(mixed)
    export_run(Run.open(mixed.output), str(tmp_path / "hf"))
    card = (tmp_path / "hf/README.md").read_text()
    assert "sequences of ul2_s the front attended in both directions" in " ".join(card.split())


def test_the_task_tokens_of_a_run_are_those_of_its_export(tmp_path, dataset_with_dummies) -> None:
    path = write_run(tmp_path, dataset_with_dummies)
    train(config := load_run_config(path, ["data.task_tokens=true", "schedule.steps=1"]))
    run, place = Run.open(config.output), str(tmp_path / "hf")
    export_run(run, place)
    text, gap = run.plan.task_tokens["clm"], run.plan.task_tokens["span_corruption"]
    card = " ".join(Path(place, "README.md").read_text().split())
    assert f"Each prompt of a text begins with the task token {text}." in card
    assert f"Its prompt is `{gap} PREFIX" in card
    for model in (LanguageModel.open(place), LanguageModel.open(config.output)):
        assert model.prompt([1, 2]) == [text, 1, 2]
        assert model.infill([1], [2])[:2] == [gap, 1]
        allowed = model.continuation().allowed
        assert allowed is not None and not allowed[[text, gap]].any()


@pytest.mark.parametrize(("directory", "message"), [("", "exists"), ("s3://b/m", "is a URL")])
def test_an_existing_directory_and_a_url_are_refused(tmp_path, directory, message) -> None:
    with pytest.raises(UsageError, match=message):
        export(make(*SHAPES[3]), CONTROL, 128, TOKENIZER, directory or str(tmp_path))


def test_nothing_beside_the_directory_is_touched(tmp_path, monkeypatch) -> None:
    (tmp_path / "model.tmp").mkdir()
    model, place = make(*SHAPES[3]), f"file://{tmp_path}/model"
    monkeypatch.setattr(model, "hf_tensors", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(model, CONTROL, 128, TOKENIZER, place)
    assert [path.name for path in tmp_path.iterdir()] == ["model.tmp"]
    monkeypatch.undo()
    export(model, CONTROL, 128, TOKENIZER, place)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "model.tmp"}
