"""Only one trainer writes to the directory of a run."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from manifests.errors import UsageError
from tests.trainer.recorder import Recorder
from trainer.checkpoints.lease import LeaseLostError, hold
from trainer.train import train

HOUSE = Path(__file__).parents[3]

HOLD = """
import sys
from trainer.checkpoints.lease import LeaseLostError, hold
with hold(sys.argv[1], renewal=0.05, expiry=1.0) as lease:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        lease.check()
        print("still held", flush=True)
    except LeaseLostError as error:
        print(error, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lease of tmp_path."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=HOUSE, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    """Let the other process check its lease, and return what it says."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_second_trainer_is_refused_and_the_first_goes_on(tmp_path, other) -> None:
    with (
        pytest.raises(UsageError, match=rf"another process is .* \(process {other.pid} on "),
        hold(str(tmp_path), renewal=1.0, expiry=5.0),
    ):
        pass
    assert answer(other) == "still held\n"


def test_a_trainer_that_was_killed_blocks_nobody(tmp_path, other) -> None:
    other.kill()
    other.wait()
    start = time.monotonic()
    with hold(str(tmp_path), expiry=30.0) as lease:
        lease.check()
    assert time.monotonic() - start < 30.0


def test_a_stopped_trainer_loses_its_lease_and_notices_it_before_it_writes(tmp_path, other) -> None:
    other.send_signal(signal.SIGSTOP)
    with hold(str(tmp_path), renewal=0.1, expiry=0.3) as lease:
        other.send_signal(signal.SIGCONT)
        assert "another process has taken over" in answer(other)
        lease.check()
    with hold(str(tmp_path), expiry=1e9) as again:
        again.check()


def test_a_released_lease_is_free_at_once(tmp_path) -> None:
    for _ in range(3):
        with hold(str(tmp_path), expiry=1e9) as lease:
            lease.check()
    assert len(os.listdir(tmp_path / "lease")) == 1


def test_a_full_disk_does_not_keep_a_lease(tmp_path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        with hold(str(tmp_path), expiry=1e9) as lease:
            lease.check()


def test_of_many_that_wait_for_a_dead_holder_one_takes_over(tmp_path) -> None:
    (tmp_path / "lease").mkdir()
    (tmp_path / "lease" / "00000007.json").write_text('{"host": "x", "process": 1}')
    holders, refused, done = [], [], threading.Barrier(8)

    def compete() -> None:
        try:
            with hold(str(tmp_path), renewal=0.05, expiry=0.4) as lease:
                lease.check()
                holders.append(lease)
                done.wait(30)
        except UsageError:
            refused.append(1)
            done.wait(30)

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(holders), len(refused)) == (1, 7)


def test_a_trainer_that_lost_its_lease_writes_nothing_more(configure) -> None:
    config = configure("checkpoint.every=1")
    lease = Path(config.output, "lease")

    def take_over() -> None:
        (lease / "00000009.json").write_text("{}")

    with pytest.raises(LeaseLostError, match="another process has taken over"):
        train(config, source=Recorder(4, take_over))
    assert len(Path(config.output, "metrics.jsonl").read_text().splitlines()) == 4
    assert max(os.listdir(Path(config.output, "checkpoints"))) <= "00000004"
