"""The subcommands of the trainer."""

import json

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import UsageError
from trainer.commands import register


@pytest.fixture
def call():
    app = typer.Typer()
    register(app)

    def invoke(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return invoke


@pytest.fixture
def run(trained: str) -> str:
    return trained


def test_train_prints_the_metrics_of_the_last_step(call, run_toml: str) -> None:
    made = json.loads(call("train", run_toml, "schedule.steps=1", "--json"))
    assert made["step"] == 1
    assert "1 steps, loss" in call("train", run_toml, "schedule.steps=1")


def test_sample_is_deterministic_with_and_without_a_suffix(call, run: str) -> None:
    for options in ([], ["--suffix", "\nreturn x"]):
        command = ["sample", run, "--prefix", "def value(", "--tokens", "6", "-n", "2", *options]
        answer = json.loads(call(*command, "--json"))
        assert len(answer["samples"]) == 2
        assert answer == json.loads(call(*command, "--json"))
        assert "def value(" in call(*command)


def test_a_prompt_longer_than_the_model_sees_is_refused(call, run: str) -> None:
    with pytest.raises(UsageError, match="trained on 64 at once"):
        call("sample", run, "--prefix", "x " * 100)


def test_evaluate_prints_each_component_and_all_together(call, run: str) -> None:
    answer = json.loads(call("evaluate", run, "--documents", "5", "--json"))
    assert set(answer["components"]) == {"the-stack/python", "all"}
    row = answer["components"]["the-stack/python"]
    assert 0 < row["documents"] <= 5
    assert 0 < row["bits_per_byte"] < 20
    assert "the-stack/python" in call("evaluate", run, "--documents", "5")


@pytest.mark.parametrize("command", ["sample", "evaluate", "export"])
def test_a_step_without_a_checkpoint_is_refused(call, run: str, command: str, tmp_path) -> None:
    rest = {"sample": ["--prefix", "a"], "evaluate": [], "export": [str(tmp_path / "hf")]}[command]
    with pytest.raises(UsageError, match=r"has no checkpoint of step 2, only of \[3, 4\]"):
        call(command, run, *rest, "--step", "2")


def test_transformers_continues_a_prompt_as_sample_does(call, run: str, tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    place = str(tmp_path / "hf")
    call("export", run, place)
    model = transformers.AutoModelForCausalLM.from_pretrained(place)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    prompt = tokenizer("def value(", return_tensors="pt").input_ids
    theirs = model.generate(prompt, max_new_tokens=8, do_sample=False)[0, prompt.shape[1] :]
    greedy = ["--tokens", "8", "--temperature", "0"]
    ours = json.loads(call("sample", run, "--prefix", "def value(", *greedy, "--json"))
    assert tokenizer.decode(theirs, skip_special_tokens=True) == ours["samples"][0]


def test_trace_names_the_documents_of_a_row(call, run: str) -> None:
    answer = json.loads(call("trace", run, "--step", "3", "--row", "2", "--json"))
    assert answer["position"] == 2 * 8 + 2
    assert answer["documents"][0]["row"]["repositories"]
    assert answer["component"] in call("trace", run, "--step", "3", "--row", "2")
    with pytest.raises(UsageError, match="has rows 0 to 7"):
        call("trace", run, "--step", "3", "--row", "8")
    with pytest.raises(UsageError, match="has not made step 5"):
        call("trace", run, "--step", "5", "--row", "0")
