"""The whole first job on two cores: its rate with a warm cache; its memory at 8 times the input.

The command runs over the same corpus, into empty outputs, its own start included: with a cache
that knows nothing but the seed, then with a warm one, then with that over a corpus 8 times as
large, made of copies that differ from one another in their last blanks. The memory is that of the
job's own processes: the detector of license texts outlives the job, and is not counted.
"""

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

from benchmarks.claims import Claim, main, say

COPIES = 8
RUNS = 3
BLANKS = 64
"""Line ends, and then spaces, that copies end with, at most: they differ, their headers do not."""

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
    """Run the job cold, warm, and warm over copies."""
    stack = (data / "stack" / "data").resolve()
    with tempfile.TemporaryDirectory() as place:
        cache = str(Path(place, "cache"))
        cold = run(stack, Path(place, "cold"), cache)
        warm = [run(stack, Path(place, f"warm-{number}"), cache) for number in range(RUNS)]
        copies = copied(stack, Path(place, "copies"))
        larger = run(copies, Path(place, "larger"), cache)
    whole, job = median(each.whole for each in warm), median(each.job for each in warm)
    peak = median(each.peak for each in warm)
    say(f"cold: {cold.whole:.1f} MB/s, the job alone {cold.job:.1f}")
    what = "license_filter on two workers, warm"
    return [
        Claim(f"{what}, the job itself, MB/s against the 30 set", job, 30, 1, PACKAGES),
        Claim(
            f"{what}, the command with its imports, MB/s against the 30 set", whole, 30, 1, PACKAGES
        ),
        Claim(
            f"{what}, the command with its imports, MB/s against the 30 set, over {COPIES} times "
            "the corpus",
            larger.whole,
            30,
            1,
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
    """What a run of the command took.

    Attributes:
        whole: MB of text a second, the command's start and end included.
        job: the same of the job, as it tells itself: from its plan to its manifest.
        peak: the most memory of a process, in bytes.
    """

    whole: float
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
