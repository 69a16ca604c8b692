"""Worker processes do rows; they fail a job when they are killed, and never outlive the driver."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import DataError
from pipelines.runtime.job import Job
from pipelines.runtime.processes import do_rows
from pipelines.runtime.runners import Runner
from tests.pipelines.runtime.acts import Act, rows

SECONDS = 10
"""Within which a killed worker fails the job, and workers end after their driver."""


def processes(directory: str) -> set[int]:
    """Return the processes that have begun a row."""
    return {int(path.stem) for path in Path(directory).glob("*.json")}


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    assert true()


def is_alive(process: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_rows_are_done_in_several_processes_of_the_drivers_environment_and_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_TEST", "yes")
    monkeypatch.chdir(tmp_path)
    seconds = list(do_rows(Act(str(tmp_path)), rows("wait", "wait", "wait"), 2))
    assert len(seconds) == 3 and all(0.5 <= second < 60 for second in seconds)
    about = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert about == [["yes", str(tmp_path)]] * 2
    assert os.getpid() not in processes(str(tmp_path))


@pytest.mark.parametrize(
    ("acts", "sentence"),
    [
        (["kill", "block"], r"^a worker process was killed \(signal 9\); if memory ran out, fewer"),
        (["exit", "block"], r"^a worker process ended \(exit code 3\) before its work was done$"),
        (["raise", "block"], r"^shard 7: is not whole$"),
    ],
)
def test_a_busy_worker_that_ends_fails_the_job_and_ends_the_others(
    tmp_path: Path, acts: list[str], sentence: str
) -> None:
    (tmp_path / "before").mkdir()
    list(do_rows(Act(str(tmp_path / "before")), rows("wait"), 1))  # starts the fork server
    with pytest.raises(DataError, match=sentence):
        list(do_rows(Act(str(tmp_path)), rows(*acts), 2))
    assert time.time() - min(path.stat().st_mtime for path in tmp_path.glob("*.json")) < SECONDS
    assert not any(is_alive(process) for process in processes(str(tmp_path)))


def test_a_worker_that_is_killed_before_its_first_row_fails_the_job(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^a worker process was killed \(signal 9\)"):
        list(do_rows(Act(str(tmp_path), setup_act="kill"), rows("wait", "wait"), 2))


DRIVER = """
import signal
import sys
from pathlib import Path
from pipelines.runtime import processes
from pipelines.runtime.runners import Runner
from tests.pipelines.runtime.acts import rows
from tests.pipelines.runtime.test_processes import job

if __name__ == "__main__":
    # A shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    processes.start_server()
    job(Path(sys.argv[1]), rows("block", "block"))
"""


def job(directory: Path, table: list[dict[str, Any]]) -> None:
    """Run rows as a job on two workers."""
    pq.write_table(pa.Table.from_pylist(table), directory / "rows.parquet")
    two = Runner(options=("--direct_num_workers=2",))
    Job(Act(str(directory)), str(directory / "rows.parquet"), "act").run(two)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, -2)])
def test_workers_end_with_their_driver(tmp_path: Path, number: signal.Signals, code: int) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)], stderr=subprocess.PIPE, process_group=0
    )
    try:
        wait_until(lambda: len(processes(str(tmp_path))) == 2)
        # The terminal sends Ctrl-C to all processes of the group.
        (os.killpg if number == signal.SIGINT else os.kill)(driver.pid, number)
        _, errors = driver.communicate(timeout=60)
        assert driver.returncode == code
        assert errors.decode().count("Traceback") == (number == signal.SIGINT), "the driver's"
        wait_until(lambda: not any(map(is_alive, processes(str(tmp_path)))))
    finally:
        for process in processes(str(tmp_path)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_job_fails_with_one_sentence_when_a_worker_is_killed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=r"^a worker process was killed .* continues from here$"):
        job(tmp_path, rows("kill", "block"))
    assert capfd.readouterr() == ("", "")
