"""docs/training.md: the job script of Slurm; one process continues the run of its two."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest

from tests.trainer.conftest import write_run
from tests.trainer.recorder import Recorder, kill
from trainer.checkpoints.state import read_state
from trainer.config import load_run_config
from trainer.metrics import read_metrics
from trainer.train import train

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text()

SHIMS = {
    # Slurm's launcher, on one node: it runs the command after its own options.
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "torchrun": f'exec "{sys.executable}" -m torch.distributed.run "$@"',
    "scontrol": 'if [ "$1" = show ]; then echo localhost; else echo "$@" >> requeued; fi',
}


def test_the_job_of_slurm_saves_at_its_signal_and_is_requeued(
    tmp_path: Path, small_dataset_made_once: Path
) -> None:
    config = Path(write_run(tmp_path, small_dataset_made_once))
    longer = config.read_text().replace("steps = 8", "steps = 100000")
    config.write_text(f"{longer}[validation]\nevery = 1\ndocuments = 3\n")
    [script] = re.findall(r"```bash\n(#!/bin/bash.*?)```", PAGE, re.DOTALL)
    (tmp_path / "job.sh").write_text(script.replace("29500", "0"))
    (tmp_path / "bin").mkdir()
    for name, content in SHIMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{content}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "node",
        "SLURM_NNODES": "1",
        "SLURM_GPUS_ON_NODE": "2",
    }
    metrics = tmp_path / "run" / "metrics.jsonl"
    with subprocess.Popen(
        ["bash", "job.sh"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as job:
        while job.poll() is None and not (metrics.exists() and metrics.read_bytes().count(b"\n")):
            time.sleep(0.05)
        job.send_signal(signal.SIGUSR1)
        assert job.stderr is not None
        said = job.stderr.read()
    made = metrics.read_bytes().count(b"\n")
    assert f"stopped after step {made} of 100000; the same command continues" in said, said
    assert read_state(str(tmp_path / "run" / "checkpoints"), made)["world_size"] == 2
    assert (tmp_path / "requeued").read_text() == "requeue 17\n"

    alone = load_run_config(str(config), ["output=alone", "checkpoint.every=1000"])
    together = load_run_config(str(config))
    for run, updates in ((alone, made + 3), (together, 3)):
        with pytest.raises(MemoryError):
            train(run, source=Recorder(updates, kill))
    wanted, got = (read_metrics(f"{run.output}/metrics.jsonl") for run in (alone, together))
    assert [line["step"] for line in got] == list(range(1, made + 4))
    for ours, theirs in zip(got, wanted, strict=True):
        for field in ("position", "loss", "learning_rate", "gradient_norm", "loss_tokens"):
            assert ours[field] == pytest.approx(theirs[field], rel=1e-4), (ours, theirs)
        scores, wanted_scores = (
            cast(Any, line["validation"])["components"]["all"] for line in (ours, theirs)
        )
        assert scores == pytest.approx(wanted_scores, rel=1e-4)
