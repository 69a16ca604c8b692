"""preview: the kinds of tokens, and how sequences are shown."""

import json

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from manifests.errors import UsageError
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from manifests.special_tokens import SpecialTokens
from objectives.commands import register
from objectives.preview import render_sequences, runs
from objectives.stream.plan import make_plan, save_plan
from objectives.tasks.batch import PADDING
from objectives.tasks.objective import TokenKind
from objectives.tasks.registry import make_objective

CONTROL = SpecialTokens(end=0, sep=1, eom=2, mask_1=9, masks=3, vocabulary=100)
TOKENS = np.array([10, 9, 11, 0, 1, 9, 20, 21, 2, 12, 0, 0, 0])
DOCUMENTS = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, PADDING, PADDING], np.int32)


@pytest.fixture
def app():
    made = typer.Typer()
    made.callback()(lambda: None)
    register(made)
    return made


@pytest.fixture
def mixture(small_dataset, tmp_path):
    out = str(tmp_path / "MIX.toml")
    make_mixture([small_dataset], {"the-stack": 1.0, "the-pile": 1.0}, out=out)
    return out


def run(app, *arguments):
    return CliRunner().invoke(app, ["preview", *arguments], catch_exceptions=False)


def kinds_of(objective, tokens=TOKENS, segment_ids=DOCUMENTS, control=CONTROL, **settings):
    kinds = make_objective(objective, control, settings).token_kinds(tokens, segment_ids)
    return [TokenKind(kind).name.lower() for kind in kinds]


def test_an_objective_names_the_kind_of_each_token():
    assert kinds_of("span_corruption") == [
        *("text", "mask", "text", "end", "sep", "mask", "span", "span", "eom"),
        *("text", "end", "padding", "padding"),
    ]


@pytest.mark.parametrize(
    ("objective", "tokens", "documents", "spans"),
    [
        ("causal_masking", [9, 11, 0, 9, 20, 2, 12, 9, 9, 21, 2], [0] * 6 + [1] * 5, [4, 9]),
        (
            "ul2_r3",
            [10, 9, 0, 11, 8, 1, 9, 20, 8, 21, 2],
            [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1],
            [7, 9],
        ),
        ("fim", [50, 10, 51, 11, 52, 20, 0, 12, 0], [0] * 7 + [1] * 2, [5]),
        ("clm", [10, 11, 0, 12, 0], [0, 0, 0, 1, 1], []),
    ],
)
def test_spans_are_what_the_model_fills_in(objective, tokens, documents, spans):
    settings = {"sentinels": [50, 51, 52]} if objective == "fim" else {}
    kinds = kinds_of(objective, np.array(tokens), np.array(documents), **settings)
    assert [i for i, kind in enumerate(kinds) if kind == "span"] == spans


def test_the_plan_of_a_run_is_previewed(app, mixture, tmp_path):
    settings = {"fim": {"level": "character", "sentinels": [1, 2, 3], "rate": 1.0}}
    shares = {"fim": 1.0, "ul2_x3": 1.0, "ul2_s": 2.0}
    plan = make_plan(load_mixture(mixture), shares, batch=4, sequence_length=64, settings=settings)
    save_plan(plan, str(tmp_path / "plan.json"))
    result = json.loads(run(app, str(tmp_path / "plan.json"), "-n", "32", "--json").stdout)
    assert result["plan"] == plan.digest
    by_name = {sequence["objective"]: sequence for sequence in result["sequences"]}
    assert sorted(by_name) == ["fim", "ul2_s", "ul2_x3"]
    shown = run(app, str(tmp_path / "plan.json"), "-n", "32").stdout
    assert "prefix of " in shown


def test_a_prefix_is_shown_for_a_mixture(app, mixture):
    arguments = (mixture, "-n", "4", "--length", "64", "--attention", "prefix", "--json")
    sequences = json.loads(run(app, *arguments).stdout)["sequences"]
    assert max(sequence["prefix"] for sequence in sequences) > 0
    assert all(sequence["loss"] <= 1 - sequence["prefix"] / 64 for sequence in sequences)


def test_a_task_token_has_a_kind_of_its_own():
    objective = make_objective("clm", CONTROL, {}, task_token=50)
    kinds = objective.token_kinds(np.array([50, 50, 10]), np.array([0, 0, 0]))
    assert kinds.tolist() == [TokenKind.TASK, TokenKind.TEXT, TokenKind.TEXT]


def test_a_vocabulary_without_masks_has_text_end_and_padding():
    plain = SpecialTokens(end=0, vocabulary=100)
    assert set(kinds_of("clm", control=plain)) == {"text", "end", "padding"}


def test_runs_contain_every_token():
    kinds = make_objective("span_corruption", CONTROL, {}).token_kinds(TOKENS, DOCUMENTS)
    result = runs(TOKENS, DOCUMENTS, kinds, lambda ids: " ".join(map(str, ids)))
    assert " ".join(piece["text"] for piece in result).split() == [str(t) for t in TOKENS]
    assert sum(piece["tokens"] for piece in result) == len(TOKENS)


def test_control_characters_of_texts_are_escaped():
    document = {"start": 0, "tokens": 2, "row": {"path": "a\x1b[2J\nb\x9b31m", "tokens": 2}}
    sequence = {
        "position": 0,
        "component": "s/a",
        "epoch": 0,
        "objective": "clm",
        "loss": 1.0,
        "padding": 0.0,
        "forgotten": 0.25,
        "prefix": 0,
        "eligible": 3,
        "thinned": 1,
        "documents": [document] * 10,
        "runs": [{"kind": "text", "tokens": 2, "text": "x\x1b[31m\x07y [bold]z\x9b31m\u202e"}],
    }
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(
            render_sequences(
                {"sequences": {"clm": 4}, "padding": 0.01, "thinned": 0.002}, [sequence]
            )
        )
    shown = capture.get()
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    assert "\x07" not in shown
    assert "x␛[31m␇y [bold]z" in shown
    assert "and 2 more" in shown
    assert "padding 0.00%, forgotten 25.00%" in shown
    assert "3 segments changed, 1 of them in part or not" in shown
    expected = "units of 4 clm · expected: 1.00% padding, 0.20% of changed segments thinned"
    assert expected in shown


def test_the_command_shows_control_tokens_and_origins(app, mixture):
    shown = run(app, mixture, "-n", "16", "--length", "64").stdout
    for expected in ("<sep><mask_1>", "<eom>", "position 15", "span_corruption", "owner/", "[MIT]"):
        assert expected in shown, expected


def test_json_has_the_runs_of_each_sequence(app, mixture):
    result = run(app, mixture, "-n", "3", "--length", "64", "--objective", "clm", "--json")
    results_ = json.loads(result.stdout)
    assert len(results_["plan"]) == 64
    assert [sequence["position"] for sequence in results_["sequences"]] == [0, 1, 2]
    for sequence in results_["sequences"]:
        assert sequence["objective"] == "clm"
        assert sum(piece["tokens"] for piece in sequence["runs"]) == 64
        assert sequence["loss"] == 63 / 64
        assert {piece["kind"] for piece in sequence["runs"]} <= {"text", "end"}


def test_an_unknown_objective_gets_a_suggestion(app, mixture):
    with pytest.raises(UsageError, match="did you mean 'codegen2'"):
        run(app, mixture, "--objective", "codegen")
