"""MTPB, multi-turn program synthesis (Nijkamp et al., arXiv 2203.13474).

A problem is a list of instructions with places for inputs. Each instruction becomes a comment, and
the model's completion follows it, so that later turns continue the program so far. The program is
right if what it shows last equals the expected output. Published: CodeGen's mtpb_sample.py and
mtpb_exec.py, whose prompts, truncation and comparison these are.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from pydantic import BaseModel

from manifests.errors import DataError
from trainer.evaluation.code_evaluation import judge, temperatures
from trainer.evaluation.code_tasks import Problem
from trainer.evaluation.data import read_rows
from trainer.evaluation.intervals import Estimate, proportion
from trainer.evaluation.sample_file import Line, SampleFile
from trainer.evaluation.settings import Job
from trainer.sampling.generate import Sampling
from trainer.sampling.text import Prompt
from trainer.sandbox.sandbox import Sandbox

PACKAGES = ("numpy",)
"""What programs import besides the standard library."""

FRONT = "# Import libraries.\n\nimport numpy as np\n\n"
TOKENS = 256
"""Most tokens of a turn where a problem does not say."""

SECOND = (r"^print", r"^def")
"""Starts of lines of which a turn keeps the first."""

ENDS = (r"^#", r"<\|endoftext\|>", r"^'''", r'^"""', r"\n\n\n")
"""What ends a turn."""

STOPS = ("\n\n\n", "\n#")
"""Texts behind which nothing of a turn is kept."""

CHECK = '''
import ast as _ast

_shown = []

def _print(*values, **options):
    _shown.append(values)

def _with_print(text):
    """Show the value of the last statement, if it is none that shows something."""
    try:
        tree = _ast.parse(text)
        last = tree.body[-1]
        name = getattr(getattr(getattr(last, "value", None), "func", None), "id", "")
        if not str(name).startswith("print"):
            function = _ast.Name("print", _ast.Load())
            last.value = _ast.Call(function, [last.value], [])
            _ast.fix_missing_locations(tree)
        return compile(tree, "<program>", "exec")
    except Exception:
        return text

def _equal(shown, wanted):
    if type(shown).__module__.startswith("numpy"):
        shown = shown.tolist()
    if isinstance(shown, list) and shown and isinstance(shown[0], tuple):
        shown = [list(item) for item in shown]
    if type(shown) is not type(wanted):
        if isinstance(wanted, bool):
            shown, wanted = str(shown), str(wanted)
        else:
            shown = type(wanted)(shown)
    if isinstance(shown, float):
        return abs(shown - wanted) < 1e-6
    if not isinstance(shown, (str, int, list)):
        raise ValueError("this type is not compared")
    return shown == wanted

exec(_with_print(_text), {"__name__": "__main__", "print": _print})
assert _equal(_shown[-1][0], _wanted)
'''
"""The end of each program: executes `_text`, and compares what it shows last with `_wanted`."""


class _Row(BaseModel):
    id: str
    prompts: list[str]
    inputs: list[dict[str, Any]]
    outputs: list[Any]
    max_gen_length: int = TOKENS


def evaluate_mtpb(job: Job, sandbox: Sandbox) -> dict[str, Estimate]:
    """Return `pass_rate` at each temperature: the mean of the problems' shares of right programs.

    The interval counts problems, because the programs of a problem depend on each other.

    A program whose history outgrows the model's context fails.

    Raises:
        UsageError: the file is missing.
        DataError: a line of a file is bad, or the files in the directory are of other problems.
    """
    path = job.file("mtpb.jsonl", "mtpb")
    rows = job.settings.first(read_rows(path, _Row))
    problems = [problem for row in rows for problem in _problems(path, row)]
    metrics = {}
    for temperature in temperatures(job):
        samples = SampleFile(f"{job.directory}/t{temperature:g}.jsonl")
        known = {problem.id for problem in problems}
        done = {(line.get("task_id"), line.get("sample")) for line in samples.lines}
        if any(id not in known for id, _ in done):
            raise DataError(
                f"{samples.path}: has lines that are no samples of this task's problems"
            )
        name = f"mtpb at t={temperature:g}"
        total = len(problems) * job.settings.samples
        for row in rows:
            for number in range(job.settings.samples):
                if (f"{row.id}/{len(row.inputs) - 1}", number) not in done:
                    lines = _sample(job, row, number, temperature)
                    samples.append(line for line in lines if (line["task_id"], number) not in done)
                    job.progress(f"{name}: samples", len(samples.lines), total)
        verdicts = judge(name, job, problems, samples, sandbox)
        passed = defaultdict[str, list[bool]](list)
        for line in verdicts:
            passed[line["task_id"].rpartition("/")[0]].append(line["passed"])
        rate = proportion([fmean(programs) for programs in passed.values()])
        metrics[f"pass_rate_t{temperature:g}"] = rate
    return metrics


def _problems(path: str, row: _Row) -> Iterator[Problem]:
    """Yield a problem for each input of a row."""
    if len(row.inputs) != len(row.outputs):
        raise DataError(f"{path}: problem {row.id} has {len(row.inputs)} inputs and other outputs")
    for number, output in enumerate(row.outputs):
        after = f"\n_wanted = {output!r}\n{CHECK}"
        yield _Program(f"{row.id}/{number}", Prompt(FRONT), "_text = ", after, "")


class _Program(Problem):
    """A problem whose completion is a text that its program executes."""

    def program(self, completion: str) -> str:
        """See `Problem`."""
        return super().program(repr(completion))


def _sample(job: Job, row: _Row, number: int, temperature: float) -> list[Line]:
    """Return a program for each input of a row: sample `number`, whose seed is its own."""
    sampling = Sampling(
        row.max_gen_length, temperature, seed=job.settings.seed + number, rows=job.rows
    )
    histories = {n: FRONT for n in range(len(row.inputs))}
    too_long = set[int]()
    for prompt in row.prompts:
        ids = {}
        for n in histories.keys() - too_long:
            histories[n] += f"# {prompt.format(**row.inputs[n])}\n"
            ids[n] = job.model.prompt_ids(Prompt(histories[n]))
            if len(ids[n]) >= job.model.context:
                too_long.add(n)
                del ids[n]
        made = job.model.sample(list(ids.values()), False, sampling, STOPS)
        for n, [text] in zip(ids, made, strict=True):
            histories[n] += f"{truncate_turn(text)}\n\n"
    return [
        {"task_id": f"{row.id}/{n}", "completion": text, "sample": number}
        | ({"too_long": True} if n in too_long else {})
        for n, text in histories.items()
    ]


def truncate_turn(text: str) -> str:
    """Return a completion up to the end of its turn."""
    for start in SECOND:
        matches = list(re.finditer(start, text, re.MULTILINE))
        if len(matches) > 1:
            text = text[: matches[1].start()]
    ends = [match.start() for end in ENDS if (match := re.search(end, text, re.MULTILINE))]
    return text[: min(ends)] if ends else text
