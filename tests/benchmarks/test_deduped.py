"""Texts through the jobs: which stays in place of which."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import deduped
from benchmarks.deduped import deduplicate, filter_texts, survivors
from manifests.lineage import STEPS
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner


def in_process(job: str, corpus: Path, out: Path) -> dict[str, Any]:
    """The job without a process of its own, which takes seconds to start."""
    runner = Runner(options=("--direct_num_workers=1",))
    steps = [step for step in STEPS if step == job.replace("-", "_")]
    [result] = run_jobs(load_preparation(str(corpus), str(out), runner), steps).values()
    return {"totals": result.manifest.totals.model_dump()}


def test_survivors_are_numbered_as_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deduped, "run_job", in_process)
    lines = [f"def f{i}(a, b): return g{i}(b) + {i}" for i in range(40)]
    first = pa.array(["\n".join(lines), "", "x = 1"], pa.large_string())
    other = pa.array(["y = f(2)", "\n".join([*lines[:-1], "pass"]), "x = 1"], pa.large_string())
    assert filter_texts([first, other], tmp_path / "both")["totals"]["documents"] == 6
    assert deduplicate(tmp_path / "both", "stack-v1.2")["totals"]["documents"] == 4
    stays = survivors(tmp_path / "both", 6)
    groups = [set(np.flatnonzero(stays == item).tolist()) for item in np.unique(stays)]
    assert sorted(map(sorted, groups)) == [[0, 4], [1], [2, 5], [3]]
