"""Benchmarks whose samples are completed to programs and executed: HumanEval, infill, and MBPP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from trainer.evaluation.data import read_rows
from trainer.sampling.text import Prompt

CODEX_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Published: Chen et al. (arXiv 2107.03374)."""

MBPP_STOPS = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```")
"""Published: bigcode-evaluation-harness, bigcode_eval/tasks/mbpp.py."""

MBPP_TEST = range(11, 511)
"""Ids of the test split. Published: Austin et al. (arXiv 2108.07732)."""


@dataclass(frozen=True)
class Problem:
    """A problem of a benchmark.

    Attributes:
        id: its `task_id`.
        prompt: what the model gets.
        before: text of the program before a completion.
        after: text of the program after a completion.
        canonical: the reference completion.
    """

    id: str | int
    prompt: Prompt
    before: str
    after: str
    canonical: str

    def program(self, completion: str) -> str:
        """Return the program that passes where a completion is right."""
        return self.before + completion + self.after


@dataclass(frozen=True)
class CodeTask:
    """A benchmark.

    Attributes:
        name: of the task.
        file: name of its file, without `.gz`.
        read: returns the problems of a file; DataError for a bad line.
        stops: texts that end a completion and are left out. For infill there is none: the model's
            own stop token ends it, as in the paper.
    """

    name: str
    file: str
    read: Callable[[str], list[Problem]]
    stops: tuple[str, ...] = ()


class _HumanEvalRow(BaseModel):
    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


class _InfillRow(_HumanEvalRow):
    suffix: str


class _MbppRow(BaseModel):
    task_id: int
    text: str
    code: str
    test_list: list[str]
    test_setup_code: str = ""


def truncate(completion: str, stops: Sequence[str]) -> str:
    """Return a completion up to the first of the stop texts."""
    ends = [place for stop in stops if (place := completion.find(stop)) >= 0]
    return completion[: min(ends)] if ends else completion


def _human_eval(path: str) -> list[Problem]:
    """Return problems whose program is prompt, completion, test and the call of `check`."""
    return [
        Problem(row.task_id, Prompt(row.prompt), row.prompt, _test(row), row.canonical_solution)
        for row in read_rows(path, _HumanEvalRow)
    ]


def _infill(path: str) -> list[Problem]:
    """Return problems of `human-eval-infilling`: a gap between prompt and suffix."""
    return [
        Problem(
            row.task_id,
            Prompt(row.prompt, row.suffix),
            row.prompt,
            row.suffix + _test(row),
            row.canonical_solution,
        )
        for row in read_rows(path, _InfillRow)
    ]


def _test(row: _HumanEvalRow) -> str:
    return f"\n{row.test}\ncheck({row.entry_point})"


def _mbpp(path: str) -> list[Problem]:
    """Return the test split, prompted with a docstring of the text and the first test.

    Published: InCoder's prompt (arXiv 2204.05999) as in bigcode-evaluation-harness.
    """
    problems = []
    for row in read_rows(path, _MbppRow):
        if row.task_id in MBPP_TEST:
            prompt = f'"""\n{row.text}\n{row.test_list[0]}\n"""\n'
            after = "\n".join(["", row.test_setup_code, *row.test_list])
            problems.append(Problem(row.task_id, Prompt(prompt), prompt, after, row.code))
    return problems


CODE_TASKS = (
    CodeTask("humaneval", "HumanEval.jsonl", _human_eval, CODEX_STOPS),
    CodeTask("infill-single", "HumanEval-SingleLineInfilling.jsonl", _infill),
    CodeTask("infill-multi", "HumanEval-MultiLineInfilling.jsonl", _infill),
    CodeTask("infill-random", "HumanEval-RandomSpanInfilling.jsonl", _infill),
    CodeTask("infill-random-light", "HumanEval-RandomSpanInfillingLight.jsonl", _infill),
    CodeTask("mbpp", "mbpp.jsonl", _mbpp, MBPP_STOPS),
    CodeTask(
        "mbpp-sanitized", "mbpp_sanitized_for_code_generation.jsonl", _human_eval, CODEX_STOPS
    ),
)
