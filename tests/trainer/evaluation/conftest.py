"""Benchmarks of a few rows in the official formats, and models that answer them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UsageError
from trainer.evaluation.model import Likelihood
from trainer.evaluation.settings import Job, Settings
from trainer.sandbox.limits import Limits
from trainer.sandbox.sandbox import Sandbox

HUMAN_EVAL = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": f"def add{number}(x):\n    # Adds {number}.\n",
        "entry_point": f"add{number}",
        "canonical_solution": f"    return x + {number}\n",
        "test": f"def check(f):\n    assert f(1) == {number + 1}\n",
    }
    for number in range(3)
]
INFILL = [
    {**row, "suffix": "    return y\n", "canonical_solution": f"    y = x + {number}\n"}
    for number, row in enumerate(HUMAN_EVAL)
]
MBPP = [
    {
        "task_id": number,
        "text": "Write a function that doubles.",
        "code": "def double(x):\r\n  return Twice(x).value",
        "test_list": ["assert double(2) == 4", "assert double(other) == 6"],
        "test_setup_code": "other = 3\nclass Twice:\n  def __init__(self, x): self.value = 2 * x",
        "challenge_test_list": [],
    }
    for number in (10, 11, 510, 511)
]
MTPB = [
    {
        "id": "1",
        "prompts": ["Assign {A} to x.", "Double x.", "Print x."],
        "inputs": [{"A": 2}, {"A": 5}],
        "outputs": [4, 10],
        "max_gen_length": 32,
    }
]
LAMBADA = [{"text": "the cat sat on the mat"}, {"text": "def value return x"}]
PIQA = [{"goal": "To open a door", "sol1": "turn it", "sol2": "turn the handle"}] * 2
XSUM = [{"document": f"A long text {n}. It says more.", "summary": f"Text {n}."} for n in range(3)]
FILES: dict[str, list[dict[str, Any]]] = {
    "HumanEval.jsonl": HUMAN_EVAL,
    "HumanEval-SingleLineInfilling.jsonl": INFILL,
    "mbpp.jsonl": MBPP,
    "mtpb.jsonl": MTPB,
    "lambada_test.jsonl": LAMBADA,
    "piqa_valid.jsonl": PIQA,
    "xsum.jsonl": XSUM,
}


@pytest.fixture(scope="session")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of benchmarks' files."""
    path = tmp_path_factory.mktemp("benchmarks")
    for name, rows in FILES.items():
        (path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "piqa_valid-labels.lst").write_text("1\n0\n")
    return path


@pytest.fixture(scope="session")
def sandbox():
    """A sandbox with one worker, or a skip with the reason why there is none."""
    try:
        made = Sandbox(Limits(cpu_seconds=2), workers=1)
    except UsageError as error:
        pytest.skip(str(error))
    with made:
        yield made


@dataclass
class Scripted:
    """A model whose ids are characters and that answers prompts from a script.

    Attributes:
        answers: end of a prompt -> the texts of its samples, repeated in turn.
        front: task tokens before each prompt.
        calls: prompts of each call of `sample`.
    """

    answers: dict[str, list[str]]
    context: int = 1000
    front: tuple[int, ...] = ()
    calls: list[list[str]] = field(default_factory=list)

    def encode(self, text):
        return list(map(ord, text))

    def prompt(self, text):
        return [*self.front, *(text or [0])]

    def prompt_ids(self, prompt):
        gap = "" if prompt.suffix is None else f"\x01{prompt.suffix}"
        return self.prompt(self.encode(prompt.prefix + gap))

    def sample(self, prompts, infill, sampling, stops):
        texts = ["".join(map(chr, prompt)) for prompt in prompts]
        self.calls.append(texts)
        made = []
        for text in texts:
            [answers] = [value for end, value in self.answers.items() if text.endswith(end)]
            made.append([answers[n % len(answers)] for n in range(sampling.samples)])
        return made

    def likelihoods(self, questions, infill=False):
        return [
            Likelihood(-float(sum(q.answer)), q.answer[0] % 2 == 0, len(q.answer))
            for q in questions
        ]


@pytest.fixture
def job(tmp_path: Path, benchmarks: Path):
    """`job(model, samples=2, ...) -> Job`, all in one directory."""

    def make(model, rows: int = 4, progress=lambda name, done, total: None, **settings) -> Job:
        chosen = Settings(**settings)
        return Job(model, str(benchmarks), str(tmp_path / "out"), chosen, rows, progress)

    return make
