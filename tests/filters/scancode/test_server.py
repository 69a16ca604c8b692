import contextlib
import json
import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from typing import Any

import pyarrow as pa
import pytest
from license_expression import get_license_index

from filters.scancode import client, server, veto
from filters.scancode.cache import Cache, cache_name, text_key
from filters.scancode.client import Detector
from filters.scancode.detector import Match, load_index
from filters.scancode.server import SOCKET, Detections, Server
from manifests.errors import DataError

GPL = b"released under the gnu gplv2+, see the file that somebody made up"


@pytest.fixture
def detector(tmp_path):
    """A client of a server in a thread of this process that detects with `made_up`."""
    with served(tmp_path, 0.3, load=lambda: None, detect=made_up) as connected:
        yield connected


@contextlib.contextmanager
def served(tmp_path, seconds, **functions):
    context = multiprocessing.get_context("fork")
    detections = Detections(Cache(str(tmp_path)), 2, seconds, context, **functions)
    path = os.path.join(client.runtime_directory(str(tmp_path)), SOCKET)
    serving = Server(path, detections)
    thread = threading.Thread(target=serving.run, args=[0.5])
    thread.start()
    yield Detector(str(tmp_path))
    thread.join()
    os.remove(path)


def made_up(text):
    if "slow" in text:
        time.sleep(60)
    if text.startswith("/") and not os.path.exists(text):
        open(text, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if "dies" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return [Match(text, "a rule", 100.0, False)]


def test_texts_are_detected_once_and_kept(detector, tmp_path):
    answer = detector.detect([b"a", b"b", b"a"])
    assert [result[0].expression for result in answer.found] == ["a", "b", "a"]
    assert answer[1:] == (0, 2, 0)
    assert detector.detect([b"a", b"b"])[1:] == (2, 0, 0)
    assert Detector(str(tmp_path)).detect([b"a", b"c"])[1:] == (1, 1, 0)


@pytest.mark.parametrize("text", [b"slow", b"dies"])
def test_a_text_that_never_ends_is_given_up_and_never_kept(detector, tmp_path, text):
    answer = detector.detect([b"a", text, b"b"])
    assert answer.found[1] is None
    assert [result[0].expression for result in answer.found if result] == ["a", "b"]
    assert answer[1:] == (0, 2, 1)
    assert Cache(str(tmp_path)).get(text_key(text)) is None
    assert detector.detect([text]).timed_out == 1
    assert detector.detect([b"c"]).detected == 1


def test_a_text_is_tried_once_more_alone(detector, tmp_path):
    mark = str(tmp_path / "tried")
    answer = detector.detect([b"a", mark.encode(), b"b"])
    assert answer.found[1][0].expression == mark
    assert answer[1:] == (0, 3, 0)


def test_a_file_that_scancode_would_read_for_minutes_is_given_up(tmp_path):
    """A database of licenses, 3 MB of ids: its time grows with the square of their number."""
    ids = [
        entry["spdx_license_key"] for entry in get_license_index() if "spdx_license_key" in entry
    ]
    drawn = random.Random(1).choices(ids, k=120_000)
    database = json.dumps({"licenses": drawn}, indent=1)
    assert len(database) > 3_000_000
    (text,) = veto.distinct_texts(veto.statements(pa.array([database], pa.large_string())))
    load_index()
    with served(tmp_path, 2.0) as detector:
        answer = detector.detect([GPL, text])
    assert (answer.found[1], answer.detected, answer.timed_out) == (None, 1, 1)
    assert answer.found[0][0].expression == "gpl-2.0-plus"
    kept = Cache(str(tmp_path))
    assert kept.get(text_key(GPL)) is not None
    assert kept.get(text_key(text)) is None


def test_concurrent_workers_let_each_text_be_detected_once(detector, tmp_path):
    texts = [f"text {number}".encode() for number in range(60)]
    workers = [Detector(str(tmp_path)) for _ in range(4)]
    answers: list[Any] = [None] * 4

    def work(number):
        answers[number] = workers[number].detect(texts[number * 10 : number * 10 + 30])

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, answer in enumerate(answers):
        expressions = [result[0].expression.encode() for result in answer.found]
        assert expressions == texts[number * 10 : number * 10 + 30]
    lines = (tmp_path / cache_name()).read_bytes().splitlines()
    assert len(lines) == len(set(lines)) == 60


def no_index():
    raise SystemExit


def test_a_detector_that_cannot_load_its_index_is_an_error(tmp_path):
    loading = r"failed: RuntimeError: a process ended while it loaded ScanCode's index \(log: "
    with (
        served(tmp_path, 0.3, load=no_index, detect=made_up) as detector,
        pytest.raises(DataError, match=loading),
    ):
        detector.detect([b"a"])


def test_no_texts_have_no_answer(detector):
    assert detector.detect([]) == ([], 0, 0, 0)


def test_the_machines_own_server_starts_is_shared_and_survives_a_kill(tmp_path):
    one, two = Detector(str(tmp_path)), Detector(str(tmp_path))
    assert one.detect([GPL]).detected == 1
    assert two.detect([GPL]) == (one.detect([GPL]).found, 1, 0, 0)
    (match,) = one.detect([GPL]).found[0] or ()
    assert match.expression == "gpl-2.0-plus"
    runtime = client.runtime_directory(str(tmp_path))
    with two._connect() as connection:
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    os.kill(int.from_bytes(peer[:4], "little"), signal.SIGKILL)
    again = Detector(str(tmp_path)).detect([GPL])
    assert (again.cached, again.detected) == (1, 0)
    assert two.detect([b"no license here, it is made up"]).detected == 1
    assert len(os.listdir(runtime)) == 3


def test_the_server_has_one_child_for_each_core_that_it_may_use(tmp_path, monkeypatch):
    numbers = []

    class Idle:
        def __init__(self, path, detections):
            numbers.append(detections._children)
            open(path, "w").close()

        def run(self, idle_seconds):
            pass

    monkeypatch.setattr(server, "Server", Idle)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 7})
    server.main(str(tmp_path), str(tmp_path))
    assert numbers == [3]


def test_a_detector_without_a_cache_directory_is_an_error(tmp_path):
    (tmp_path / "file").write_text("no directory")
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        Detector(str(tmp_path / "file")).detect([b"a license that nobody knows"])
    runtime = client.runtime_directory(str(tmp_path / "file"))
    assert str(caught.value).startswith("the license detector cannot start: FileExistsError: ")
    assert str(caught.value).endswith(f"(log: {runtime}/detector.log)")
    assert time.monotonic() - start < client.START_SECONDS / 2


def test_a_too_long_path_of_the_socket_is_an_error(tmp_path, monkeypatch):
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    with pytest.raises(DataError, match=r"cannot start: OSError: AF_UNIX path too long \(log: "):
        Detector(str(tmp_path)).detect([b"a license that nobody knows"])


def test_a_detector_with_an_empty_log_is_an_error(tmp_path):
    (tmp_path / "log").write_text("\n")
    message = client._start_failure(str(tmp_path / "log"))
    assert "cannot start: it wrote no message (log: " in message
