"""The detector of a machine: one server that all workers of the machine ask.

The server loads ScanCode's index once, in multiprocessing's fork server, and forks a child for
each core that it may use. A child detects one text after another; the server kills a child that
takes too long. A worker starts the server (`client`), which ends after a while without requests.
A lock on a file tells that the server runs; the lock ends with the process.

A connection is for one request, a line of JSON: a list of texts. The answer is a line of JSON too:
an object with `found`, the matches of each text or null, `cached`, the number of texts that needed
no detection, and `warning`, a sentence about ScanCode or null; or an object with `error`, why the
detector failed.
"""

import contextlib
import fcntl
import json
import multiprocessing
import os
import signal
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from filters.scancode.cache import Cache, Matches, text_key
from filters.scancode.detector import Match, detect, load_index
from manifests.cores import usable_cores

SECONDS = 30.0
"""Time limit of a text (ours: a safety net; a text takes some milliseconds)."""

GIVEN_UP = f"header not read: ScanCode took longer than {SECONDS:g} s, twice"
"""The evidence of a document with a passage that was given up."""

IDLE_SECONDS = 60.0
"""Time without requests after which the server ends (ours: a worker pauses for less)."""

LOCK, SOCKET = "detector.lock", "detector.sock"

Load = Callable[[], str | None]
Detect = Callable[[str], list[Match]]


class Child:
    """A process that detects texts and can be killed.

    Attributes:
        warning: what `load` returned in the process.
    """

    def __init__(self, context: Any, load: Load, detect: Detect, seconds: float) -> None:
        """Start the process and wait until the index is loaded; RuntimeError if it ends before."""
        self._pipe, theirs = context.Pipe()
        self._seconds = seconds
        arguments = (theirs, load, detect, seconds)
        self._process = context.Process(target=_serve_texts, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.warning: str | None = json.loads(self._pipe.recv_bytes())
        except EOFError:
            raise RuntimeError("a process ended while it loaded ScanCode's index") from None

    def detect(self, text: bytes) -> Matches | None:
        """Return the matches of a text, or None if the child ended or took too long."""
        with contextlib.suppress(EOFError, OSError):
            self._pipe.send_bytes(text)
            if self._pipe.poll(self._seconds):
                return tuple(Match(*match) for match in json.loads(self._pipe.recv_bytes()))
        return None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve_texts(pipe: Connection, load: Load, detect: Detect, seconds: float) -> None:
    """Detect one text after another, in a child, until the server closes the pipe."""
    with contextlib.suppress(EOFError, OSError):
        pipe.send_bytes(json.dumps(load()).encode())
        while True:
            text = pipe.recv_bytes().decode()
            # The alarm ends the child if the server was killed and cannot end it.
            signal.alarm(round(2 * seconds) + 1)
            pipe.send_bytes(json.dumps(detect(text)).encode())
            signal.alarm(0)


class Detections:
    """The matches of texts, from the cache or from child processes; each text is detected once."""

    def __init__(
        self,
        cache: Cache,
        children: int,
        seconds: float = SECONDS,
        context: Any = None,
        load: Load = load_index,
        detect: Detect = detect,
    ) -> None:
        """Detect at most `children` texts at the same time, each for at most `seconds`.

        Args:
            cache: where matches are kept.
            children: number of child processes.
            seconds: time limit of a text.
            context: of multiprocessing; by default a fork server that has loaded the index.
            load: called once in a child; returns a warning for the workers or None.
            detect: called in a child for each text.
        """
        if context is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["filters.scancode.preload"])
        self._cache = cache
        self._children = children
        self._start_child = partial(Child, context, load, detect, seconds)
        self._idle: list[Child] = []
        self._threads = ThreadPoolExecutor(children)
        self._permits = threading.Semaphore(children)
        self._retry = threading.Lock()
        self._lock = threading.Lock()
        self._running: dict[str, Future[Matches | None]] = {}
        self._warning: str | None = None

    def answer(self, texts: Sequence[bytes]) -> dict[str, Any]:
        """Return the answer to a request; wait until every text is detected or given up."""
        keys = [text_key(text) for text in texts]
        with self._lock:
            known = [self._cache.get(key) for key in keys]
            for key, text, matches in zip(keys, texts, known, strict=True):
                if matches is None and key not in self._running:
                    self._running[key] = self._threads.submit(self._detect, key, text)
            futures = {key: self._running[key] for key in keys if key in self._running}
        cached = sum(matches is not None for matches in known)
        pairs = zip(keys, known, strict=True)
        results = [futures[key].result() if matches is None else matches for key, matches in pairs]
        return {"found": results, "cached": cached, "warning": self._warning}

    def _detect(self, key: str, text: bytes) -> Matches | None:
        """Detect a text, a second time alone if the first attempt fails, and keep the matches."""
        matches = None
        try:
            with self._permits:
                matches = self._attempt(text)
            if matches is None:
                with self._retry, contextlib.ExitStack() as all_permits:
                    for _ in range(self._children):
                        all_permits.enter_context(self._permits)
                    matches = self._attempt(text)
        finally:
            with self._lock:
                del self._running[key]
                if matches is not None:
                    self._cache.put(key, matches)
        return matches

    def _attempt(self, text: bytes) -> Matches | None:
        """Let an idle child, or a new one, detect a text; kill the child if it fails."""
        with self._lock:
            child = self._idle.pop() if self._idle else None
        child = child or self._start_child()
        self._warning = child.warning
        matches = child.detect(text)
        if matches is None:
            child.kill()
        else:
            self._idle.append(child)
        return matches

    def close(self) -> None:
        """End the children and close the cache."""
        self._threads.shutdown()
        for child in self._idle:
            child.kill()
        self._cache.close()


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers the requests of workers, each one in a thread."""

    daemon_threads = True
    request_queue_size = 128
    timeout = 0.5

    def __init__(self, path: str, detections: Detections) -> None:
        """Listen on a socket at `path`."""
        super().__init__(path, _Connection)
        self.detections = detections
        self.connections: set[_Connection] = set()
        self.last_request = time.monotonic()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Note the time of a connection."""
        self.last_request = time.monotonic()
        return True

    def run(self, idle_seconds: float) -> None:
        """Serve until no worker was connected for `idle_seconds`."""
        while self.connections or time.monotonic() - self.last_request < idle_seconds:
            self.handle_request()
        self.server_close()
        self.detections.close()


class _Connection(socketserver.StreamRequestHandler):
    """A connection of a worker, for one request."""

    server: Server

    def handle(self) -> None:
        """Answer the request."""
        self.server.connections.add(self)
        try:
            with contextlib.suppress(ConnectionError):
                self.wfile.write(json.dumps(self._answer()).encode() + b"\n")
        finally:
            self.server.last_request = time.monotonic()
            self.server.connections.discard(self)

    def _answer(self) -> dict[str, Any]:
        """Return the answer, or the error of the detector."""
        try:
            texts = [text.encode() for text in json.loads(self.rfile.readline() or "[]")]
            return self.server.detections.answer(texts)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}


def main(directory: str, runtime: str, start: str = "seeded") -> None:
    """Be the detector of this machine, unless there is one; `cold` leaves the seed out."""
    lock = os.open(os.path.join(runtime, LOCK), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    path = os.path.join(runtime, SOCKET)
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    cache = Cache(directory, seed=start != "cold")
    Server(path, Detections(cache, usable_cores())).run(IDLE_SECONDS)
    os.remove(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
