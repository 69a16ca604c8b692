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
    text = call("train", run_toml, "schedule.steps=1")
    assert "1 steps, loss" in text and "by license" in text and "none known" in text


def test_a_plan_trains_nothing(call, run_toml: str, tmp_path) -> None:
    needed = json.loads(call("train", run_toml, "--plan", "--processes", "4", "--json"))
    assert needed["steps"] == 8
    assert "epochs of the-stack/python" in call("train", run_toml, "--plan")
    assert not (tmp_path / "run").exists()


def test_sample_is_deterministic_with_and_without_a_suffix(call, run: str) -> None:
    for options in ([], ["--suffix", "\nreturn x"]):
        command = ["sample", run, "--prefix", "def value(", "--tokens", "6", "-n", "2", *options]
        answer = json.loads(call(*command, "--json"))
        assert len(answer["samples"]) == 2
        assert answer == json.loads(call(*command, "--json"))
        assert "def value(" in call(*command)


def test_a_prompt_longer_than_the_model_sees_is_refused(call, run: str) -> None:
    with pytest.raises(UsageError, match="the model has a context of 64"):
        call("sample", run, "--prefix", "x " * 100)


def test_evaluate_prints_each_component_and_all_together(call, run: str) -> None:
    answer = json.loads(call("evaluate", run, "--documents", "5", "--json"))
    assert set(answer["components"]) == {"the-stack/python", "all"}
    row = answer["components"]["the-stack/python"]
    assert 0 < row["documents"] <= 5
    assert 0 < row["bits_per_byte"] < 20
    assert "the-stack/python" in call("evaluate", run, "--documents", "5")
    with pytest.raises(UsageError, match="--out and --data: need --tasks"):
        call("evaluate", run, "--out", "out")


def test_evaluate_scores_benchmarks_beside_the_papers_numbers(call, run: str, tmp_path) -> None:
    (tmp_path / "lambada_test.jsonl").write_text('{"text": "def value return"}\n')
    out = str(tmp_path / "out")
    command = [
        "evaluate",
        run,
        "--tasks",
        "heldout, lambada",
        "--data",
        str(tmp_path),
        "--out",
        out,
    ]
    answer = json.loads(call(*command, "--json"))
    assert set(answer["tasks"]) == {"heldout", "lambada"}
    assert "perplexity" in call(*command)  # goes on where everything is done
    with pytest.raises(UsageError, match="--out: name the directory"):
        call("evaluate", run, "--tasks", "lambada")
    with pytest.raises(
        UsageError, match=r"has no HumanEval\.jsonl, which the task humaneval needs"
    ):
        call(*command[:2], "--tasks", "humaneval", "--allow-execution", *command[4:])


@pytest.mark.parametrize("command", ["sample", "evaluate", "export"])
def test_a_step_without_a_checkpoint_is_refused(call, run: str, command: str, tmp_path) -> None:
    rest = {"sample": ["--prefix", "a"], "evaluate": [], "export": [str(tmp_path / "hf")]}[command]
    with pytest.raises(UsageError, match=r"has no checkpoint of step 2, only of \[3, 4\]"):
        call(command, run, *rest, "--step", "2")


def test_prompts_of_a_file_are_sampled_together(call, run: str, tmp_path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prefix": "def "}\n{"prefix": "a", "suffix": "b"}\n')
    command = ["sample", run, "--prompts", str(path), "--tokens", "5", "-n", "3", "--rows", "2"]
    first, second = json.loads(call(*command, "--json"))["prompts"]
    assert (first["prefix"], first["suffix"]) == ("def ", None)
    assert (second["prefix"], second["suffix"]) == ("a", "b")
    for prompt in (first, second):
        assert len(prompt["samples"]) == len(prompt["tokens"]) == len(prompt["ended"]) == 3
        assert max(prompt["tokens"]) <= 5
    alone = json.loads(call("sample", run, "--prefix", "def ", "--tokens", "5", "--json"))
    assert alone["samples"] == first["samples"][:1]


@pytest.mark.parametrize(
    "options", [[], ["--prefix", "a", "--prompts", "F"], ["--prompts", "F", "--suffix", "b"]]
)
def test_sample_takes_a_prefix_or_a_file(call, run: str, options: list[str]) -> None:
    with pytest.raises(UsageError, match="give --prefix, with or without --suffix, or --prompts"):
        call("sample", run, *options)


def test_an_export_is_imported_and_sampled_from(call, run: str, tmp_path) -> None:
    hf, again = str(tmp_path / "hf"), str(tmp_path / "again")
    made = json.loads(call("export", run, hf, "--json"))
    assert made["config"]["dtype"] == "float32"
    assert "samples from it" in call("import", hf, again)
    prompt = ["--prefix", "def value(", "--tokens", "8", "--json"]
    assert len({call("sample", path, *prompt) for path in (run, hf, again)}) == 1
    with pytest.raises(UsageError, match=r"--step: .* is a model directory"):
        call("sample", hf, "--prefix", "a", "--step", "3")
    call("export", run, str(tmp_path / "half"), "--dtype", "bfloat16")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("hf", "half")]
    assert sizes[0] > 1.9 * sizes[1]


def test_trace_names_the_documents_of_a_row(call, run: str) -> None:
    answer = json.loads(call("trace", run, "--step", "3", "--row", "2", "--json"))
    assert answer["position"] == 2 * 8 + 2
    assert answer["documents"][0]["row"]["repositories"]
    assert answer["component"] in call("trace", run, "--step", "3", "--row", "2")
    with pytest.raises(UsageError, match="has rows 0 to 7"):
        call("trace", run, "--step", "3", "--row", "8")
    # The update after the last one, which may have ended the run, can be traced too.
    assert json.loads(call("trace", run, "--step", "5", "--row", "0", "--json"))["position"] == 32
    with pytest.raises(UsageError, match="has not made step 6"):
        call("trace", run, "--step", "6", "--row", "0")


def test_recipes_are_listed_and_one_is_written_once(call, tmp_path) -> None:
    assert "codegen2-1b\n" in call("recipes")
    path = str(tmp_path / "RUN.toml")
    assert "set its `mixture`" in call("recipes", "codegen2-1b", "--out", path)
    with pytest.raises(UsageError, match="exists already"):
        call("recipes", "codegen2-7b", "--out", path)
