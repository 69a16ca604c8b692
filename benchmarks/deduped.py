"""Run the first two jobs on texts by their commands, with two workers."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.claims import ROOT

WORKERS = 2

ROW_GROUP = 4096

CORPUS = """
[[source]]
name = "texts"
kind = "parquet"
files = "{place}/input/*.parquet"
component = "code"
columns = {{ text = "text", path = "path" }}
license = {{ missing = "accept", header = "off" }}
[filters]
{filters}
[dedup]
profile = "{profile}"
verify = "{verify}"
max_removed = 1
[tokenize]
tokenizer = {{ train = 32000 }}
"""

NONE = "others = false"


def filter_texts(batches: Iterable[Any], place: Path) -> dict[str, Any]:
    """Run the license filter on Arrow strings. It keeps all of them.

    Args:
        batches: the texts of each file. The texts of all files are numbered from 0.
        place: a directory for the texts, CORPUS.toml and out/.

    Returns:
        The result of `run_job`.
    """
    (place / "input").mkdir(parents=True)
    first = 0
    for number, texts in enumerate(batches):
        paths = [str(first + row) for row in range(len(texts))]
        first += len(texts)
        table = pa.table({"text": texts, "path": paths})
        pq.write_table(table, place / "input" / f"{number:04}.parquet", row_group_size=ROW_GROUP)
    return _run("license-filter", place, "fineweb", "none")


def deduplicate(place: Path, profile: str, verify: str = "none") -> dict[str, Any]:
    """Run `stackpile dedup` without files of an earlier run; see `run_job`."""
    shutil.rmtree(place / "out" / "dedup", ignore_errors=True)
    return _run("dedup", place, profile, verify)


def _run(job: str, place: Path, profile: str, verify: str) -> dict[str, Any]:
    """Write CORPUS.toml, and run a job by its command."""
    corpus = place / "CORPUS.toml"
    text = CORPUS.format(place=place, filters=NONE, profile=profile, verify=verify)
    corpus.write_text(text)
    return run_job(job, corpus, place / "out")


def run_job(job: str, corpus: Path, out: Path) -> dict[str, Any]:
    """Run a job by its command, and return its summary: "totals", "rejected"."""
    command = [sys.executable, "-m", "stackpile", job, str(corpus), "--out", str(out)]
    command += ["--json", "--", f"--direct_num_workers={WORKERS}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    [answer] = json.loads(done.stdout).values()
    return dict(answer)


def survivors(place: Path, count: int) -> npt.NDArray[np.int64]:
    """Return the text that is kept for each text: int64 [count], its own number if it is kept."""
    parts = pq.read_table(place / "out" / "dedup" / "parts.parquet").to_pylist()
    numbers, duplicates = [], []
    for part in parts:
        name = f"{part['name']}.parquet"
        documents = place / "out" / "license_filter" / "documents" / name
        paths = pq.read_table(documents, columns=["path"])["path"].to_pylist()
        numbers.append(np.array(paths, np.int64))
        table = pq.read_table(place / "out" / "dedup" / "duplicates" / name)
        duplicates.append([table[column].to_numpy() for column in ("row", "kept_part", "kept_row")])
    survivor = np.arange(count)
    for own, (rows, kept_parts, kept_rows) in zip(numbers, duplicates, strict=True):
        kept = [numbers[part][row] for part, row in zip(kept_parts, kept_rows, strict=True)]
        survivor[own[rows]] = np.array(kept, np.int64)
    return survivor
