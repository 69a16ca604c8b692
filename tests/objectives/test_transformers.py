"""The README's lines for transformers' Trainer, run as they stand."""

import re
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

from manifests.dataset.dataset import Dataset
from manifests.mixture.mixture import make_mixture

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

README = Path(__file__).parents[2] / "README.md"


def block():
    (result,) = re.findall(
        r"( {4}from manifests\.mixture\.config import .*?\n)\n## ", README.read_text(), re.DOTALL
    )
    return dedent(result)


def test_each_process_of_the_readme_example_reads_its_own_rows(
    small_dataset, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make_mixture([small_dataset], {"the-stack": 1.0}, epochs=40, out="MIX.toml")
    lines = block().partition("StreamTrainer(model")[0]
    names = [{"arguments": SimpleNamespace(process_index=r, world_size=2)} for r in range(2)]
    for name in names:
        exec(lines, name)
    batch = names[0]["data"].stream.batch(0, 16)
    rows = [next(iter(name["data"]))["tokens"] for name in names]
    assert torch.equal(torch.cat(rows), torch.from_numpy(batch.tokens))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_the_readme_example_trains_a_model(small_dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_mixture([small_dataset], {"the-stack": 1.0}, epochs=40, out="MIX.toml")
    vocabulary = Dataset.open(small_dataset).tokenizer.vocabulary
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=vocabulary, n_positions=512, n_embd=32, n_layer=1, n_head=2
        )
    )
    arguments = transformers.TrainingArguments(
        "out", max_steps=4, report_to=[], use_cpu=True, learning_rate=0.01, logging_steps=1
    )
    lines = block().replace("StreamTrainer(model", "trainer = StreamTrainer(model")
    names = {"model": model, "arguments": arguments}
    exec(lines.replace(".train()", ""), names)
    names["trainer"].train()
    losses = [entry["loss"] for entry in names["trainer"].state.log_history if "loss" in entry]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
