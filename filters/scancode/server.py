"""The detector of a machine: one process that loads ScanCode's index once, for all workers.

It is single-threaded, and forks children that detect and can be ended. It listens on a socket,
starts when a worker asks for it (`client.py`), and ends when none has asked for a while. A lock on
a file says that it is there; the lock goes with the process, however it ends.
"""

import contextlib
import fcntl
import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

from filters.scancode.cache import Cache, Found, text_key
from filters.scancode.detector import Match, detect, load_index
from filters.scancode.frames import Frames, send

SECONDS = 30.0
"""For a text, at most: a safety net, hundreds of times what one takes."""

GIVEN_UP = f"header not read: ScanCode took longer than {SECONDS:g} s, twice"
"""The evidence of a document with a passage that was given up."""

IDLE_SECONDS = 60.0
"""Without a request, until it ends: longer than a worker is busy with other things of a part."""

LOCK, SOCKET = "detector.lock", "detector.sock"


@dataclass
class Child:
    """A process that detects one text after another."""

    process: int
    pipe: socket.socket
    frames: Frames = field(default_factory=Frames)
    text: bytes | None = None
    started: float = 0.0


@dataclass
class Request:
    """What a worker asked for: texts, of which some are still being looked at."""

    client: socket.socket
    keys: list[str]
    missing: set[str]
    cached: int


class Server:
    """Answers workers from the cache, and lets children find what is not there."""

    def __init__(self, cache: Cache, listener: socket.socket, children: int, seconds: float):
        """Serve on `listener` with so many children, each text bounded by `seconds`."""
        self._cache = cache
        self._listener = listener
        self._limit = children
        self._seconds = seconds
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._clients: dict[socket.socket, Frames] = {}
        self._children: list[Child] = []
        self._queue: deque[bytes] = deque()
        self._alone: deque[bytes] = deque()
        self._waiting: set[str] = set()
        self._requests: list[Request] = []

    def run(self, idle_seconds: float) -> None:
        """Serve until no worker has been there for a while."""
        last = time.monotonic()
        while self._clients or time.monotonic() - last < idle_seconds:
            for key, _ in self._selector.select(timeout=0.2):
                key.data(key.fileobj)
            self._end_late_ones()
            self._start_texts()
            if self._clients:
                last = time.monotonic()
        for child in self._children:
            self._end(child)
        self._cache.close()

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self._clients[client] = Frames()
        self._selector.register(client, selectors.EVENT_READ, self._hear)

    def _hear(self, client: socket.socket) -> None:
        try:
            asked = self._clients[client].receive(client)
        except OSError:
            asked = None
        if asked is None:
            self._forget(client)
            return
        for texts in asked:
            self._ask(client, [text.encode() for text in texts])

    def _forget(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._clients[client]
        self._requests = [request for request in self._requests if request.client is not client]
        client.close()

    def _ask(self, client: socket.socket, texts: list[bytes]) -> None:
        keys = [text_key(text) for text in texts]
        missing = {key for key in keys if self._cache.get(key) is None}
        for key, text in zip(keys, texts, strict=True):
            if key in missing and key not in self._waiting:
                self._waiting.add(key)
                self._queue.append(text)
        cached = sum(key not in missing for key in keys)
        self._requests.append(Request(client, keys, missing, cached))
        self._answer()

    def _answer(self) -> None:
        for request in list(self._requests):
            request.missing &= self._waiting
            if not request.missing:
                self._requests.remove(request)
                found = [self._cache.get(key) for key in request.keys]
                try:
                    send(request.client, {"found": found, "cached": request.cached})
                except OSError:
                    self._forget(request.client)

    def _start_texts(self) -> None:
        busy = [child for child in self._children if child.text is not None]
        if any(child.text in self._alone for child in busy):
            return
        if self._alone and not self._queue and not busy:
            self._give(self._alone[0])
        while self._queue and len(busy) < self._limit:
            busy.append(self._give(self._queue.popleft()))

    def _give(self, text: bytes) -> Child:
        child = next((child for child in self._children if child.text is None), None)
        child = child or self._fork()
        child.text, child.started = text, time.monotonic()
        send(child.pipe, text.decode())
        return child

    def _fork(self) -> Child:
        load_index()
        gc.freeze()
        ours, theirs = socket.socketpair()
        process = os.fork()
        if process == 0:
            _serve_texts(theirs, self._seconds)
        theirs.close()
        child = Child(process, ours)
        self._children.append(child)
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._listen(child))
        return child

    def _listen(self, child: Child) -> None:
        try:
            answers = child.frames.receive(child.pipe)
        except OSError:
            answers = None
        if answers is None:
            self._too_much(child)
            return
        for answer in answers:
            assert child.text is not None
            self._done(child.text, tuple(Match(*match) for match in answer))
            child.text = None
        self._answer()

    def _done(self, text: bytes, found: Found | None) -> None:
        key = text_key(text)
        self._waiting.discard(key)
        if text in self._alone:
            self._alone.remove(text)
        if found is not None:
            self._cache.put(key, found)

    def _end_late_ones(self) -> None:
        now = time.monotonic()
        for child in list(self._children):
            if child.text is not None and now - child.started > self._seconds:
                self._too_much(child)

    def _too_much(self, child: Child) -> None:
        """A text took too long, or ended its child: it is tried again, alone, and then given up."""
        self._end(child)
        if child.text is None:
            return
        if child.text in self._alone:
            self._done(child.text, None)
            self._answer()
        else:
            self._alone.append(child.text)

    def _end(self, child: Child) -> None:
        self._selector.unregister(child.pipe)
        self._children.remove(child)
        os.kill(child.process, signal.SIGKILL)
        os.waitpid(child.process, 0)
        child.pipe.close()


def _serve_texts(pipe: socket.socket, seconds: float) -> None:
    """Detect one text after another, in a child, until the server goes."""
    # What a child inherits would stay open when the server is killed: the lock, and its workers.
    os.closerange(3, pipe.fileno())
    os.closerange(pipe.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    frames = Frames()
    try:
        while (texts := frames.receive(pipe)) is not None:
            for text in texts:
                # Only where nobody is left to end it.
                signal.alarm(round(2 * seconds) + 1)
                send(pipe, detect(text))
                signal.alarm(0)
    finally:
        os._exit(0)


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
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        cache = Cache(directory, seed=start != "cold")
        Server(cache, listener, len(os.sched_getaffinity(0)), SECONDS).run(IDLE_SECONDS)
        os.remove(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
