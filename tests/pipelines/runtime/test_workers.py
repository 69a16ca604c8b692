"""Workers are forked from one process, are told apart, and their ends are noticed."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import ControlConnection

from manifests.errors import DataError
from pipelines.runtime import workers
from pipelines.runtime.forked import ForkedWorkerHandler
from pipelines.runtime.quiet_beam import FnApiRunner, beam
from pipelines.runtime.runners import Runner, run

TWO = Runner(options=("--direct_num_workers=2",))


@pytest.mark.parametrize(
    ("options", "several"),
    [
        ([], (os.cpu_count() or 1) > 1),
        (["--direct_num_workers=1"], False),
        (["--direct_num_workers=3"], True),
        (["--other=1", "--direct_num_workers=1"], False),
    ],
)
def test_one_worker_is_this_process_itself(options: list[str], several: bool) -> None:
    assert workers.several(options) == several


def note_process(element: int, directory: str) -> None:
    about = [os.getppid(), os.environ["OF_THIS_TEST"], os.getcwd()]
    Path(directory, f"{os.getpid()}.json").write_text(json.dumps(about))
    time.sleep(0.2)


def test_workers_are_forked_into_the_engines_environment_and_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = workers.started()
    monkeypatch.setenv("OF_THIS_TEST", "yes")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()

    def build(pipeline: beam.Pipeline) -> None:
        numbers = pipeline | beam.Create(range(8)) | beam.Reshuffle()
        _ = numbers | beam.Map(note_process, str(tmp_path / "out"))

    run(TWO, 9, build)
    found = [json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()]
    assert found == [[server.process, "yes", str(tmp_path)]] * 2


def test_what_forks_has_one_thread_when_it_does() -> None:
    """Another thread's locks would stay locked in a worker for ever."""
    ended = threading.Event()
    server = workers.started()
    server.add("of-this-test", {}, lambda code: ended.set())
    assert ended.wait(60), "a worker without an engine ends"
    names = [
        path.read_text().strip() for path in Path(f"/proc/{server.process}/task").glob("*/comm")
    ]
    # Arrow's allocator prepares itself for a fork.
    assert len([name for name in names if name != "jemalloc_bg_thd"]) == 1


def end_itself(element: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# The threads of Beam that read what a worker sends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_is_killed_fails_the_job_with_a_sentence() -> None:
    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | beam.Create([1]) | beam.Reshuffle() | beam.Map(end_itself)

    with pytest.raises(DataError, match=r"^a worker process was ended from outside \(signal 9\)"):
        run(TWO, 9, build)


def between_stages(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let `act` be called when a stage of a pipeline has ended."""
    execute = FnApiRunner._execute_bundle

    def then_act(*arguments: Any) -> Any:
        done = execute(*arguments)
        act()
        return done

    monkeypatch.setattr(FnApiRunner, "_execute_bundle", then_act)


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    assert true()


# The threads of Beam that read what a worker sends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_is_killed_while_it_has_nothing_to_do_fails_the_job_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        numbers = pipeline | beam.Create(range(8)) | beam.Reshuffle()
        again = numbers | beam.Map(note_process, str(tmp_path)) | "Again" >> beam.Reshuffle()
        _ = again | "Last" >> beam.Map(str)

    def kill() -> None:
        for process in [int(path.stem) for path in tmp_path.iterdir()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: len(workers.started()._running) == 0 or not any(tmp_path.iterdir()))

    monkeypatch.setenv("OF_THIS_TEST", "yes")
    between_stages(monkeypatch, kill)
    said: queue.Queue[BaseException | None] = queue.Queue()

    def job() -> None:
        try:
            run(TWO, 9, build)
            said.put(None)
        except BaseException as error:
            said.put(error)

    threading.Thread(target=job, daemon=True).start()
    error = said.get(timeout=60)
    assert isinstance(error, DataError)
    assert str(error).startswith("a worker process was ended from outside (signal 9)")


def test_a_worker_that_fails_by_itself_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    ended: queue.Queue[int] = queue.Queue()
    server = workers.Workers()
    server.add("of-this-test", {"PIPELINE_OPTIONS": "no JSON"}, ended.put)
    assert ended.get(timeout=60) == 1
    server.close()
    assert "JSONDecodeError" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(-9, "was ended from outside (signal 9)"), (1, "ended by itself (exit code 1)")],
)
def test_only_a_signal_comes_from_outside(code: int, sentence: str) -> None:
    connection = ControlConnection()
    handler = ForkedWorkerHandler.__new__(ForkedWorkerHandler)
    handler.control_conn = connection
    handler._push, handler._ended = connection.push, threading.Event()
    before = handler._push_to_worker(beam_fn_api_pb2.InstructionRequest())
    handler._end(code)
    after = handler._push_to_worker(beam_fn_api_pb2.InstructionRequest())
    assert sentence in before.get(1).error and sentence in after.get(1).error


ENGINE = """
import os, re, signal, sys, threading, time
from pathlib import Path
from pipelines import workers
from pipelines.runtime.quiet_beam import beam
from pipelines.runtime.runners import Runner, run

def block(element, directory):
    Path(directory, str(os.getpid())).touch()
    # Without an end, and no other thread of the worker gets a turn: it cannot end by itself.
    re.match("(a+)+b", "a" * 60)

def build(pipeline):
    _ = pipeline | beam.Create([1, 2]) | beam.Reshuffle() | beam.Map(block, sys.argv[2])

two = Runner(options=("--direct_num_workers=2",))
threading.Thread(target=run, args=[two, 9, build], daemon=True).start()
while not os.listdir(sys.argv[2]):
    time.sleep(0.02)
Path(sys.argv[2], str(workers.started().process)).touch()
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
workers._close()
os._exit(0)
"""


@pytest.mark.parametrize("how", ["killed", "left"])
def test_they_end_with_the_engine_in_the_middle_of_their_work(how: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENGINE, how, str(tmp_path)]
    done = subprocess.run(command, check=False)
    assert done.returncode == (-signal.SIGKILL if how == "killed" else 0)
    processes = [path.name for path in tmp_path.iterdir()]
    assert len(processes) >= 2
    try:
        wait_until(lambda: not any(os.path.exists(f"/proc/{each}/exe") for each in processes))
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
