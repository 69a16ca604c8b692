"""Measure the license filter on two workers beside a ceiling: reading and hashing every text.

Each run of the command starts from an empty output. The first run has a cache of detected licenses
that holds the seed alone; later runs have a warm cache. The last run reads 8 copies of the corpus,
which differ in their last blanks. The ceiling reads the same Parquet files and computes BLAKE2b of
each text in one process: a job that keeps ids of documents cannot do less. Memory is that of the
job's processes without the detector of license texts, which outlives the job.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.claims import Claim, main, rate, say

COPIES = 8
RUNS = 3
JOB, COMMAND = 0.15, 0.12
"""Goals, as shares of the ceiling. Ours: four fifths of what was measured when they were set."""
BLANKS = 64
"""Most line ends, and then most spaces, at the end of a copy: copies differ, headers do not."""

PACKAGES = ("apache-beam", "pyarrow", "scancode-toolkit", "numba")

CORPUS = """
[[source]]
name = "the-stack"
kind = "the-stack"
files = "{data}/*/*.parquet"
license = {{ policy = "strict", missing = "reject", header = "veto" }}
[tokenize]
tokenizer = {{ train = 32000 }}
"""

MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True, check=True)
job = json.loads(done.stdout)["license_filter"]
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
said = {"bytes": job["totals"]["bytes_in"], "seconds": job["seconds"], "peak": peak << 10}
print(json.dumps(said))
"""
"""Runs a command; its largest process is the largest child, and no other job's."""


def measure(data: Path) -> Sequence[Claim]:
    """Run the job with a cold cache, with a warm one, and over copies."""
    stack = (data / "stack" / "data").resolve()
    with tempfile.TemporaryDirectory() as place:
        cache = str(Path(place, "cache"))
        cold = run(stack, Path(place, "cold"), cache)
        warm, ceilings = [], []
        for number in range(RUNS):
            warm.append(run(stack, Path(place, f"warm-{number}"), cache))
            ceilings.append(rate(lambda: read_and_hash(stack)) / 1e6)
        copies = copied(stack, Path(place, "copies"))
        larger = run(copies, Path(place, "larger"), cache)
    command, job = median(run.command for run in warm), median(run.job for run in warm)
    peak, ceiling = median(run.peak for run in warm), median(ceilings)
    say(f"cold: {cold.command:.1f} MB/s, the job alone {cold.job:.1f}")
    what = "license_filter on two workers, warm, MB/s against reading and hashing on one core"
    return [
        Claim(f"{what}: the job", job, ceiling, JOB, PACKAGES),
        Claim(f"{what}: the command with its imports", command, ceiling, COMMAND, PACKAGES),
        Claim(
            f"{what}: the command, over {COPIES} times the corpus",
            larger.command,
            ceiling,
            JOB,
            PACKAGES,
        ),
        Claim(
            "peak memory of the job's largest process, detector not counted, MiB, "
            f"against {COPIES} times the corpus",
            peak / 2**20,
            larger.peak / 2**20,
            0.9,
            PACKAGES,
        ),
    ]


class Run(NamedTuple):
    """A run of the command.

    Attributes:
        command: MB of text a second, with the start and the end of the command.
        job: MB of text a second, from the plan to the manifest, as the job reports.
        peak: the most memory of a process, in bytes.
    """

    command: float
    job: float
    peak: int


def run(stack: Path, place: Path, cache: str) -> Run:
    """Run the command into an empty output."""
    place.mkdir()
    corpus = place / "CORPUS.toml"
    corpus.write_text(CORPUS.format(data=stack))
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    job = ["license-filter", str(corpus), "--out", str(place / "out"), "--json"]
    command = [sys.executable, "-m", "stackpile", *job, "--", "--direct_num_workers=2"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.perf_counter() - start
    said = json.loads(done.stdout)
    megabytes = said["bytes"] / 1e6
    say(f"{megabytes:.0f} MB in {seconds:.1f} s, the job {said['seconds']:.1f} s")
    return Run(megabytes / seconds, megabytes / said["seconds"], said["peak"])


def read_and_hash(stack: Path) -> int:
    """Read every file and compute BLAKE2b of each text; return the bytes of text."""
    size = 0
    for path in sorted(stack.glob("*/*.parquet")):
        for text in pq.read_table(path)["content"]:
            data = text.as_buffer()
            hashlib.blake2b(data, digest_size=16).digest()
            size += data.size
    return size


def copied(stack: Path, place: Path) -> Path:
    """Write every input several times, each with other texts; return the directory."""
    draw = random.Random(1)
    for path in sorted(stack.glob("*/*.parquet")):
        table = pq.read_table(path)
        (place / path.parent.name).mkdir(parents=True, exist_ok=True)
        texts, where = table["content"].to_pylist(), table.schema.get_field_index("content")
        for number in range(COPIES):
            ended = [f"{text}{blanks(draw)}" for text in texts]
            copy = table.set_column(where, table.schema.field(where), pa.array(ended))
            pq.write_table(copy, place / path.parent.name / f"{number}-{path.name}")
    return place


def blanks(draw: random.Random) -> str:
    """Return some line ends and spaces."""
    return "\n" * draw.randrange(BLANKS) + " " * draw.randrange(BLANKS)


if __name__ == "__main__":
    main("benchmarks.license_filter_job", measure)
