"""200 steps in one go, and killed at random moments and restarted otherwise: the same tokens."""

import json
import multiprocessing
import os
import signal
from contextlib import suppress
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from manifests.io import files
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture
from objectives.stream.plan import make_plan
from objectives.stream.stream import Stream
from tests.manifests.prng.plain_splitmix import Draws

pytest.importorskip("torch")

from objectives.stream.torch_dataset import batches

STEPS, ROWS = 200, 8
WORLDS = [(1, 0), (2, 1), (4, 0), (1, 3), (4, 2), (2, 0), (1, 1), (2, 3)]
"""World sizes and worker counts, in the order of the restarts."""


@pytest.fixture
def plan(small_dataset, tmp_path):
    mixture = str(tmp_path / "MIX.toml")
    make_mixture([small_dataset], {"the-stack": 1.0, "the-pile": 1.0}, epochs=40, out=mixture)
    return make_plan(load_mixture(mixture), "codegen2", batch=ROWS, sequence_length=64)


def rank_of_a_run(plan, directory: Path, attempt: int, rank: int, world: int, workers: int, meet):
    """One process of a trainer: takes its part of each step, and rank 0 says what is done."""
    os.setsid()  # its workers are killed with it
    stream = Stream.open(plan)
    state = directory / "state.json"
    position = stream.load_state_dict(json.loads(state.read_text())) if state.exists() else 0
    parts = batches(stream, position, ROWS, rank=rank, world=world, workers=workers)
    for step, batch in zip(range(position // ROWS, STEPS), parts, strict=False):
        name = f"tokens/{step:03}-{attempt}-{rank}of{world}.npy"
        files.write_bytes(str(directory / name), batch.tokens.tobytes())
        meet.wait()
        if rank == 0:
            done = stream.state_dict((step + 1) * ROWS)
            files.write_json(str(state), done)
        meet.wait()


def run_until_killed(plan, directory: Path, attempt: int, draws: Draws) -> bool:
    """Run on; kill all processes at a random moment of the next 60 steps. True: came to the end."""
    context = multiprocessing.get_context("fork")
    world, workers = WORLDS[attempt % len(WORLDS)]
    meet = context.Barrier(world)
    ranks = [
        context.Process(
            target=rank_of_a_run, args=(plan, directory, attempt, rank, world, workers, meet)
        )
        for rank in range(world)
    ]
    for process in ranks:
        process.start()
    # As many files as there are shall be there when it comes: somewhere within a step.
    last = len(list((directory / "tokens").glob("*.npy"))) + 1 + draws.below(60 * world)
    while any(process.is_alive() for process in ranks):
        ranks[0].join(0.02)
        if len(os.listdir(directory / "tokens")) >= last:
            for process in ranks:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid or 0, signal.SIGKILL)
    codes = {process.exitcode for process in ranks}
    assert codes <= {0, -signal.SIGKILL}
    return codes == {0}


def test_ranks_workers_and_restarts_give_the_same_tokens(plan, tmp_path):
    (tmp_path / "tokens").mkdir()
    stream, draws = Stream.open(plan), Draws(200)
    for attempt in count():
        if run_until_killed(plan, tmp_path, attempt, draws):
            break
    assert attempt >= 4
    whole = [batch.tokens for batch in islice(batches(stream, 0, ROWS), STEPS)]
    done: dict[int, set[int]] = {}
    for path in sorted((tmp_path / "tokens").glob("*.npy")):
        step, _, part = path.stem.split("-")
        rank, world = map(int, part.split("of"))
        expected = np.split(whole[int(step)], world)[rank]
        result = np.frombuffer(path.read_bytes(), np.int64).reshape(-1, 64)
        assert np.array_equal(result, expected), path.name
        rows = range(ROWS)[rank * ROWS // world : (rank + 1) * ROWS // world]
        done.setdefault(int(step), set()).update(rows)
    assert done == {step: set(range(ROWS)) for step in range(STEPS)}
