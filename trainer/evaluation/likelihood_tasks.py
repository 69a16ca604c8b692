"""LAMBADA and PIQA: scored answers, with the prompts and numbers of lm-evaluation-harness."""

import math
from collections.abc import Sequence

from pydantic import BaseModel

from manifests.errors import DataError, UsageError
from manifests.io import files
from trainer.evaluation.data import read_rows
from trainer.evaluation.intervals import Estimate, mapped, mean, proportion
from trainer.evaluation.model import EvaluatedModel, Likelihood, Question
from trainer.evaluation.sample_file import SampleFile
from trainer.evaluation.settings import Job

ROWS = 256
"""Rows between two writes of scores."""


class _LambadaRow(BaseModel):
    text: str


class _PiqaRow(BaseModel):
    goal: str
    sol1: str
    sol2: str


def evaluate_lambada(job: Job) -> dict[str, Estimate]:
    """Return accuracy and perplexity of the last words of LAMBADA's passages (OpenAI's variant).

    A word is right if each of its tokens is the likeliest. The perplexity is that of words.
    Published: lm-evaluation-harness, lambada_openai.yaml.
    """
    rows = job.settings.first(read_rows(job.file("lambada_test.jsonl", "lambada"), _LambadaRow))
    texts = [row.text.rpartition(" ") for row in rows]
    scores = _scores(job, "lambada", [[(front, f" {word}")] for front, _, word in texts])
    entropy = mean([-likelihood.log_probability for [likelihood] in scores])
    return {
        "accuracy": proportion([float(likelihood.greedy) for [likelihood] in scores]),
        "perplexity": mapped(entropy, math.exp),
    }


def evaluate_piqa(job: Job) -> dict[str, Estimate]:
    """Return `acc` and `acc_norm` of PIQA's validation set: the likelier of two solutions.

    `acc_norm` divides a solution's log-probability by its characters. Published:
    lm-evaluation-harness, piqa.yaml.
    """
    rows = job.settings.first(read_rows(job.file("piqa_valid.jsonl", "piqa"), _PiqaRow))
    labels = _labels(job.file("piqa_valid-labels.lst", "piqa"))[: len(rows)]
    if len(labels) < len(rows):
        raise DataError(
            f"{job.data}: piqa_valid-labels.lst has {len(labels)} labels of {len(rows)}"
        )
    pairs = [
        [(f"Question: {row.goal}\nAnswer:", f" {solution}") for solution in (row.sol1, row.sol2)]
        for row in rows
    ]
    right: dict[str, list[float]] = {"acc": [], "acc_norm": []}
    for row, label, (first, second) in zip(rows, labels, _scores(job, "piqa", pairs), strict=True):
        one, two = first.log_probability, second.log_probability
        right["acc"].append(float((two > one) == label))
        right["acc_norm"].append(float((two / len(row.sol2) > one / len(row.sol1)) == label))
    return {name: proportion(values) for name, values in right.items()}


def question(model: EvaluatedModel, name: str, context: str, answer: str) -> Question:
    """Return the ids of a context and of the answer after it.

    Both are encoded together, and the front of a context that is too long is left out, as in
    lm-evaluation-harness.

    Raises:
        UsageError: the answer alone is longer than the model's context.
    """
    front = context.rstrip()
    whole, prompt = model.encode(context + answer), model.encode(front)
    tokens = whole[len(prompt) :]
    # The prompt of no text has an end token in place of one.
    room = model.context + 2 - len(tokens) - len(model.prompt([]))
    if room < 1:
        raise UsageError(
            f"{name}: the answer has {len(tokens)} tokens, and the model has a context of "
            f"{model.context}"
        )
    return Question(model.prompt(prompt[-room:]), tokens)


def _scores(
    job: Job, task: str, pairs: Sequence[Sequence[tuple[str, str]]]
) -> list[list[Likelihood]]:
    """Return the likelihoods of the answers of each row, those in the task's file included."""
    done = SampleFile(files.join(job.directory, "likelihoods.jsonl"))
    if any(line.get("row") != number for number, line in enumerate(done.lines)):
        raise DataError(f"{done.path}: its lines are not those of the rows 0, 1, ...")
    job.progress(task, len(done.lines), len(pairs))
    for start in range(len(done.lines), len(pairs), ROWS):
        chunk = pairs[start : start + ROWS]
        questions = [
            question(job.model, f"{task}: row {start + number + 1}", *pair)
            for number, row in enumerate(chunk)
            for pair in row
        ]
        scores = iter(job.model.likelihoods(questions))
        done.append(
            {"row": start + number, "answers": [next(scores) for _ in row]}
            for number, row in enumerate(chunk)
        )
        job.progress(task, len(done.lines), len(pairs))
    return [
        [Likelihood(*answer) for answer in line["answers"]] for line in done.lines[: len(pairs)]
    ]


def _labels(path: str) -> list[bool]:
    """Return whether the second solution is the right one, for each line."""
    lines = files.read_bytes(path).split()
    for number, line in enumerate(lines, start=1):
        if line not in (b"0", b"1"):
            raise DataError(f"{path}: line {number} is neither 0 nor 1")
    return [line == b"1" for line in lines]
