"""Programs of benchmarks: reference solutions pass, empty ones fail, and stop texts cut."""

import pytest

from trainer.evaluation.code_tasks import CODE_TASKS, CODEX_STOPS, truncate

TASKS = {task.name: task for task in CODE_TASKS}


@pytest.mark.parametrize("name", ["humaneval", "infill-single", "mbpp"])
def test_reference_solutions_pass_and_empty_ones_fail(name, benchmarks, sandbox) -> None:
    problems = TASKS[name].read(str(benchmarks / TASKS[name].file))
    assert problems
    for completion, passes in (("canonical", True), ("", False)):
        programs = [p.program(completion and p.canonical) for p in problems]
        assert [verdict.passed for verdict in sandbox.run(programs)] == [passes] * len(problems)


def test_mbpp_has_its_test_split_and_incoders_prompt(benchmarks) -> None:
    problems = TASKS["mbpp"].read(str(benchmarks / TASKS["mbpp"].file))
    assert [problem.id for problem in problems] == [11, 510]
    text = '"""\nWrite a function that doubles.\nassert double(2) == 4\n"""\n'
    assert problems[0].prompt.prefix == text


def test_a_gap_has_a_suffix_and_no_stop_text(benchmarks) -> None:
    [problem, *_] = TASKS["infill-single"].read(str(benchmarks / TASKS["infill-single"].file))
    assert problem.prompt.suffix == "    return y\n"
    assert [task.stops for task in CODE_TASKS if task.name.startswith("infill")] == [()] * 4


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  return 1\n\ndef f(): pass", "  return 1\n"),
        ("  return 1\nprint(f())\nclass A: pass", "  return 1"),
        ("  return 1\n  # inside", "  return 1\n  # inside"),
        ("def f()", "def f()"),
        ("", ""),
    ],
)
def test_the_first_stop_text_ends_a_completion(text: str, kept: str) -> None:
    assert truncate(text, CODEX_STOPS) == kept
    assert truncate(text, ()) == text
