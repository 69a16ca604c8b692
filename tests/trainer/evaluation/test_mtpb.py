"""MTPB: the turns of a program, the comparison of what it shows, and restarts."""

import json

import pytest

from tests.trainer.evaluation.conftest import Scripted
from trainer.evaluation.mtpb import CHECK, FRONT, evaluate_mtpb, truncate_turn
from trainer.sandbox.sandbox import Sandbox

TURNS = {
    "# Assign 2 to x.\n": ["x = 2\n\n\n\nx = 9"],
    "# Assign 5 to x.\n": ["x = 6\n# Assign"],
    "# Double x.\n": ["x = 2 * x"],
    "# Print x.\n": ["print(x)\nprint(7)"],
}


@pytest.fixture(scope="module")
def with_numpy(sandbox):
    with Sandbox(sandbox.limits, workers=1, packages=("numpy",)) as made:
        yield made


def test_each_turn_continues_the_program(job, with_numpy, tmp_path) -> None:
    model = Scripted(TURNS)
    metrics = evaluate_mtpb(job(model), with_numpy)
    assert metrics["pass_rate_t0.2"]["value"] == 0.5
    assert metrics["pass_rate_t0.2"]["count"] == 1  # a problem; its programs depend on each other
    path = tmp_path / "out" / "t0.2.jsonl"
    whole = path.read_bytes()
    [line, _] = map(json.loads, whole.splitlines())
    wanted = (
        f"{FRONT}# Assign 2 to x.\nx = 2\n\n# Double x.\nx = 2 * x\n\n# Print x.\nprint(x)\n\n\n"
    )
    assert line["completion"] == wanted
    assert [len(prompts) for prompts in model.calls] == [2, 2, 2]
    path.write_bytes(whole[:-5])
    assert evaluate_mtpb(job(Scripted(TURNS)), with_numpy) == metrics
    assert path.read_bytes() == whole


def test_a_history_that_outgrows_the_context_fails(job, with_numpy) -> None:
    metrics = evaluate_mtpb(job(Scripted(TURNS, context=80)), with_numpy)
    assert metrics["pass_rate_t0.2"]["value"] == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x = 1\n\n\n\ny = 2", "x = 1"),
        ("x = 1\n# next", "x = 1\n"),
        ("print(1)\nx = 2\nprint(2)", "print(1)\nx = 2\n"),
        ("def f(): pass\ndef g(): pass", "def f(): pass\n"),
        ("x = '''a'''\n'''", "x = '''a'''\n"),
        ("x = 1<|endoftext|>y", "x = 1"),
    ],
)
def test_a_turn_ends_as_in_codegens_script(text: str, kept: str) -> None:
    assert truncate_turn(text) == kept


@pytest.mark.parametrize(
    ("program", "wanted", "passes"),
    [
        ("print(3)", 3, True),
        ("print('3')", 3, True),  # the expected type decides
        ("print(4)", 3, False),
        ("3", 3, True),  # the value of the last statement is shown
        ("x = 3", 3, True),
        ("print(1)\nprint(3, 4)", 3, True),
        ("print(0.1 + 0.2)", 0.3, True),
        ("print(True)", True, True),
        ("print('True')", True, True),
        ("import numpy as np\nprint(np.array([1, 2]))", [1, 2], True),
        ("import numpy as np\nprint(np.float32(1.5))", 1.5, True),
        ("print([(1, 2)])", [[1, 2]], True),
        ("print({1: 2})", {1: 2}, False),  # as in the published script
        ("x = 1\nif x: pass", 1, False),
        ("print(", 1, False),
    ],
)
def test_what_is_shown_last_is_compared(with_numpy, program, wanted, passes) -> None:
    text = f"_text = {program!r}\n_wanted = {wanted!r}\n{CHECK}"
    [verdict] = with_numpy.run([text])
    assert verdict.passed == passes, verdict
