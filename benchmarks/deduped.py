"""Texts put through the first two jobs, as a user would: by commands, on two workers."""

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
from filters.quality.registry import FILTERS

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

NONE = "\n".join(f"{name} = false" for name in FILTERS)


def filter_texts(batches: Iterable[Any], place: Path) -> dict[str, Any]:
    """Put Arrow strings through the license filter, which lets all of them pass.

    Args:
        batches: each becomes a file; the texts of all are numbered from 0.
        place: a directory, for the texts, CORPUS.toml and out/.

    Returns:
        What the job says, as `run_job`.
    """
    (place / "input").mkdir(parents=True)
    first = 0
    for number, texts in enumerate(batches):
        paths = [str(first + row) for row in range(len(texts))]
        first += len(texts)
        table = pa.table({"text": texts, "path": paths})
        pq.write_table(table, place / "input" / f"{number:04}.parquet", row_group_size=ROW_GROUP)
    return _run("license-filter", place, "fineweb", "large")


def deduplicate(place: Path, profile: str, verify: str = "large") -> dict[str, Any]:
    """Run `stackpile dedup` from nothing but the texts, and return what it says."""
    shutil.rmtree(place / "out" / "dedup", ignore_errors=True)
    return _run("dedup", place, profile, verify)


def _run(job: str, place: Path, profile: str, verify: str) -> dict[str, Any]:
    corpus = place / "CORPUS.toml"
    told = CORPUS.format(place=place, filters=NONE, profile=profile, verify=verify)
    corpus.write_text(told)
    return run_job(job, corpus, place / "out")


def run_job(job: str, corpus: Path, out: Path) -> dict[str, Any]:
    """Run one of our jobs as a command, and return what it says: "totals", "rejected"."""
    command = [sys.executable, "-m", "stackpile", job, str(corpus), "--out", str(out)]
    command += ["--json", "--", f"--direct_num_workers={WORKERS}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    [answer] = json.loads(done.stdout).values()
    return dict(answer)


def survivors(place: Path, count: int) -> npt.NDArray[np.int64]:
    """Return which text stays in place of each: int64 [count], itself where it stays."""
    parts = pq.read_table(place / "out" / "dedup" / "parts.parquet").to_pylist()
    numbers, duplicates = [], []
    for part in parts:
        name = f"{part['name']}.parquet"
        documents = place / "out" / "license_filter" / "documents" / name
        paths = pq.read_table(documents, columns=["path"])["path"].to_pylist()
        numbers.append(np.array(paths, np.int64))
        found = pq.read_table(place / "out" / "dedup" / "duplicates" / name)
        duplicates.append([found[column].to_numpy() for column in ("row", "kept_part", "kept_row")])
    stays = np.arange(count)
    for own, (rows, kept_parts, kept_rows) in zip(numbers, duplicates, strict=True):
        kept = [numbers[part][row] for part, row in zip(kept_parts, kept_rows, strict=True)]
        stays[own[rows]] = np.array(kept, np.int64)
    return stays
