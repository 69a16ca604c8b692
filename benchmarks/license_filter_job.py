"""The whole first job on two cores, with a warm cache, and its memory at 1 and 4 times the input.

The job runs three times over the same corpus, into empty outputs: with a cache that knows nothing
but the seed, then with a warm one, then with a warm one over copies of every input.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims import Claim, main, say

COPIES = 4
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

JOB = """
import json, resource, sys
from pipelines.license_filter import run
from pipelines.preparation import load_preparation
from pipelines.runners import Runner
options = ("--direct_num_workers=2",)
manifest = run(load_preparation(sys.argv[1], sys.argv[2], Runner(options=options)))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"bytes": manifest.totals.bytes_in, "peak": peak << 10}))
"""


def measure(data: Path) -> Sequence[Claim]:
    """Run the job cold, warm, and warm over copies."""
    stack = (data / "stack" / "data").resolve()
    with tempfile.TemporaryDirectory() as place:
        cache = str(Path(place, "cache"))
        cold, _ = run(stack, Path(place, "cold"), cache)
        warm, peak = run(stack, Path(place, "warm"), cache)
        _, larger = run(copied(stack, Path(place, "copies")), Path(place, "larger"), cache)
    say(f"cold: {cold / 1e6:.1f} MB/s; peak of a worker {peak >> 20} and {larger >> 20} MiB")
    return [
        Claim("license_filter on two workers, warm, against 30 MB/s", warm / 1e6, 30, 1, PACKAGES),
        Claim(
            f"a worker's peak memory over the corpus, against {COPIES} of it (MiB)",
            peak / 2**20,
            larger / 2**20,
            0.9,
            PACKAGES,
        ),
    ]


def run(stack: Path, place: Path, cache: str) -> tuple[float, int]:
    """Return the bytes of text a second, and the peak memory of a worker in bytes."""
    place.mkdir()
    corpus = place / "CORPUS.toml"
    corpus.write_text(CORPUS.format(data=stack))
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    command = [sys.executable, "-c", JOB, str(corpus), str(place / "out")]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    said = json.loads(done.stdout.splitlines()[-1])
    say(f"{said['bytes'] / 1e6:.0f} MB in {seconds:.1f} s")
    return said["bytes"] / seconds, said["peak"]


def copied(stack: Path, place: Path) -> Path:
    """Return a directory with every input several times, as links."""
    for path in sorted(stack.glob("*/*.parquet")):
        (place / path.parent.name).mkdir(parents=True, exist_ok=True)
        for number in range(COPIES):
            (place / path.parent.name / f"{number}-{path.name}").symlink_to(path)
    return place


if __name__ == "__main__":
    main("benchmarks.license_filter_job", measure)
