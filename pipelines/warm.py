"""Compile the kernels: a small corpus goes through the jobs, `materialize` and every objective.

The kernels are compiled for the types of the arrays that the jobs and the stream hand over, so
they are run instead of compiled for a list of types.
"""

import json
import os
import random
from pathlib import Path

from manifests.mixture.config import Mixture, MixtureGroup, save_mixture
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from objectives.tasks.fim import FillInTheMiddle
from objectives.tasks.registry import OBJECTIVES
from pipelines.maintain.materialize import materialize
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner

DOCUMENTS = 240
"""Documents of each source (ours: enough tokens for a unit of every objective)."""

WORDS = ("the", "count", "of", "names", "index", "value", "items", "lines", "words", "paths")

HEADER = "# Licensed under the Apache License, Version 2.0\n"
"""A license header, so that the kernels of header detection run."""

CORPUS = """
output = "out"
[[source]]
name = "code"
kind = "jsonl"
files = "code.jsonl"
component = "python"
license = { missing = "accept" }
redact = true
[[source]]
name = "prose"
kind = "jsonl"
files = "prose.jsonl"
component = "web"
license = { missing = "accept" }
[decontaminate]
files = ["benchmark.jsonl"]
[dedup]
max_removed = 1
[tokenize]
tokenizer = { train = 512, masks = 100 }
"""
"""A corpus that uses every filter (web pages have filters of their own) and every verification."""

SENTINELS = (1, 2, 3)
"""Ids of the tokens of fill-in-the-middle: the kernels take any ids."""


def warm(directory: str) -> None:
    """Run the kernels on a small corpus below an empty directory, in this process."""
    runner = Runner(options=("--direct_num_workers=1",))
    write_corpus(Path(directory))
    preparation = load_preparation(os.path.join(directory, "CORPUS.toml"), runner=runner)
    run_jobs(preparation)
    mixture = Mixture(
        datasets=[preparation.tokenize],
        epochs=1.5,
        group=[MixtureGroup(name="all", components=["*"], weight=1)],
    )
    save_mixture(mixture, os.path.join(directory, "MIX.toml"))
    out = os.path.join(directory, "materialized")
    materialize(os.path.join(directory, "MIX.toml"), out, runner)
    for name in OBJECTIVES:
        run_objective(mixture, name)


def write_corpus(directory: Path) -> None:
    """Write CORPUS.toml and its inputs: programs, prose, some near-duplicates and a benchmark."""
    draw = random.Random(0)
    code = [_program(draw, HEADER if number % 8 == 0 else "") for number in range(DOCUMENTS)]
    code += [text.replace("count", "COUNT", 1) for text in code[:20]]
    prose = [_prose(draw) for _ in range(DOCUMENTS)]
    for name, texts in (("code", code), ("prose", prose), ("benchmark", [_program(draw, "")])):
        lines = [json.dumps({"text": text}) + "\n" for text in texts]
        (directory / f"{name}.jsonl").write_text("".join(lines))
    (directory / "CORPUS.toml").write_text(CORPUS)


def run_objective(mixture: Mixture, name: str) -> None:
    """Make batches with an objective."""
    settings = {name: {"sentinels": SENTINELS}} if name == FillInTheMiddle.name else {}
    plan = make_plan(mixture, name, batch=4, sequence_length=128, settings=settings)
    stream = Stream.open(plan)
    for position in (0, 3):
        stream.batch(position, 4)


def _program(draw: random.Random, header: str) -> str:
    """Return a made-up program of about 1,000 bytes."""
    lines = [
        f"def {draw.choice(WORDS)}_{draw.randrange(10**6)}({draw.choice(WORDS)}):\n"
        f"    return {draw.choice(WORDS)} + {draw.randrange(10**6)}  # {draw.choice(WORDS)}\n"
        for _ in range(16)
    ]
    return header + "".join(lines)


def _prose(draw: random.Random) -> str:
    """Return about 1,000 bytes of made-up sentences."""
    sentences = [f"The {' '.join(draw.choices(WORDS, k=9))} {draw.random()}.\n" for _ in range(16)]
    return "".join(sentences)
