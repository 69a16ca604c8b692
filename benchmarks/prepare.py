"""Measure raw files to shards beside datatrove's steps.

Ours is `stackpile prepare` over copies of The Stack's sample with seeded edits, from the start to
the end of its process: license filter with the header veto, document filters, near-duplicates,
tokens. The cache of detected licenses is warm: the license filter has run before, into another
output. datatrove reads files spread over the same copies, filters, finds near-duplicates and
tokenizes; it has no license filter. Both use two workers and the same tokenizer.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.claims import ROOT, Claim, main, medians, rate, say
from benchmarks.edited import copies
from benchmarks.peers.environment import ask, versions
from manifests.tokenizer.tokenizer import train_tokenizer

COPIES = int(os.environ.get("PREPARE_COPIES", "3"))
"""Copies of the sample of 103 MB."""

PEER_BYTES = int(os.environ.get("PREPARE_PEER_MB", "30")) * 10**6
"""Bytes that datatrove reads: datatrove does less than 1 MB/s."""

RUNS = int(os.environ.get("PREPARE_RUNS", "3"))

WORKERS = 2
FILES = 4
"""Files of datatrove's input: each of its tasks reads one."""

GOAL = 10

PACKAGES = ("apache-beam", "numba", "pyarrow", "scancode-toolkit", "tokenizers")

CORPUS = """
[[source]]
name = "the-stack"
kind = "the-stack"
files = "{place}/input/*/*.parquet"
license = {{ policy = "strict", missing = "reject", header = "veto" }}
[tokenize]
tokenizer = "{place}/tokenizer.json"
"""


def measure(data: Path) -> Sequence[Claim]:
    """Measure both by turns."""
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        size = write_copies(data, place)
        few = write_few(place)
        say(f"prepare: {size / 1e6:.0f} MB; datatrove {few / 1e6:.0f} MB; warming the cache")
        [cold] = stackpile("license-filter", place, "warm").values()
        say(f"prepare: license_filter with a cold cache, {cold['seconds']:.0f} s")
        ours, peers = medians(
            RUNS,
            lambda: rate(lambda: prepare(place, size)) / 1e6,
            lambda: few / datatrove(place) / 1e6,
        )
    claim = (
        f"raw files to shards, {size / 1e6:.0f} MB, license cache warm, MB/s on two workers, "
        "against datatrove"
    )
    return [Claim(claim, ours, peers, GOAL, PACKAGES, versions("datatrove"))]


def write_copies(data: Path, place: Path) -> int:
    """Write edited copies of every file, CORPUS.toml and a tokenizer; return the bytes of text."""
    size = 0
    first = []
    for file in sorted((data / "stack" / "data").glob("*/*.parquet")):
        table = pq.read_table(file)
        column = table.schema.get_field_index("content")
        (place / "input" / file.parent.name).mkdir(parents=True, exist_ok=True)
        for number, texts in enumerate(copies(table["content"], COPIES)):
            size += pc.sum(pc.binary_length(texts)).as_py()
            copy = table.set_column(column, "content", texts)
            pq.write_table(copy, place / "input" / file.parent.name / f"{number}-{file.name}")
        first += table["content"].slice(0, 20).to_pylist()
    (place / "tokenizer.json").write_bytes(train_tokenizer(first, 32_000, 100))
    (place / "CORPUS.toml").write_text(CORPUS.format(place=place))
    return size


def write_few(place: Path) -> int:
    """Write files for datatrove, sampled from all copies; return their bytes of text."""
    columns = ["hexsha", "content"]
    table = pa.concat_tables(
        pq.read_table(file, columns=columns).cast(
            pa.schema([("hexsha", pa.string()), ("content", pa.large_string())])
        )
        for file in sorted((place / "input").glob("*/*.parquet"))
    )
    share = min(1.0, PEER_BYTES / table.nbytes)
    rows = np.linspace(0, len(table) - 1, int(share * len(table))).astype(np.int64)
    (place / "documents").mkdir()
    for number in range(FILES):
        few = table.take(rows[number::FILES])
        pq.write_table(few, place / "documents" / f"{number}.parquet")
    return int(pc.sum(pc.binary_length(table["content"].take(rows))).as_py())


def prepare(place: Path, size: int) -> int:
    """Prepare the raw files with a warm cache of licenses; return their bytes."""
    shutil.rmtree(place / "out", ignore_errors=True)
    for job, result in stackpile("prepare", place, "out").items():
        documents = result["totals"]["documents"]
        say(f"prepare: {job}, {result['seconds']:.1f} s, {documents:,} documents kept")
    return size


def stackpile(command: str, place: Path, out: str) -> dict[str, Any]:
    """Run a command of Stackpile; return its JSON object."""
    call = [sys.executable, "-m", "stackpile", command, str(place / "CORPUS.toml")]
    call += ["--out", str(place / out), "--json", "--", f"--direct_num_workers={WORKERS}"]
    cache = {**os.environ, "XDG_CACHE_HOME": str(place / "cache")}
    done = subprocess.run(call, cwd=ROOT, env=cache, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def datatrove(place: Path) -> float:
    """Run datatrove on its files; return its seconds."""
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    arguments = str(place / "documents"), str(work), str(FILES), str(place / "tokenizer.json")
    result = ask("datatrove", "datatrove_prepare", *arguments)
    say(f"prepare: datatrove, {result['seconds']:.1f} s, {result['tokens']:,} tokens")
    return float(result["seconds"])


if __name__ == "__main__":
    main("benchmarks.prepare", measure)
