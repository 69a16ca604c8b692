"""Workers are forked from one process, are told apart, and their ends are noticed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from manifests.errors import BadData
from pipelines import workers
from pipelines.quiet_beam import beam
from pipelines.runners import Runner, run

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

    with pytest.raises(BadData, match=r"^a worker process was ended from outside \(signal 9\)"):
        run(TWO, 9, build)


ENGINE = """
import os, signal, sys, time
from pipelines import workers
server = workers.started()
print(server.process, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["killed", "left"])
def test_they_end_with_the_engine(how: str) -> None:
    command = [sys.executable, "-c", ENGINE, how]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == (-signal.SIGKILL if how == "killed" else 0)
    process = int(done.stdout)
    until = time.monotonic() + 60
    while os.path.exists(f"/proc/{process}/exe") and time.monotonic() < until:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{process}/exe")
