"""A worker's side of the machine's detector: ask it, start it where it is not there."""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from filters.scancode.cache import Found, cache_directory, load_seed, text_key
from filters.scancode.detector import Match
from filters.scancode.frames import Frames, send
from filters.scancode.server import SOCKET
from manifests.errors import DataError

START_SECONDS = 60.0
"""Until a new server listens: it imports little before it does."""

ATTEMPTS = 3
"""How often a request is sent again to a new server, when the one before was killed."""


STARTS = 3
"""How often a server is started that ends with an error before it listens."""

LOG = "detector.log"


class Answer(NamedTuple):
    """What became of n texts.

    Attributes:
        found: for each text what ScanCode found; None where it took too long, twice.
        cached: how many of the distinct ones were known before.
        detected: how many were looked at.
        timed_out: how many were given up.
    """

    found: list[Found | None]
    cached: int
    detected: int
    timed_out: int


def runtime_directory(cache: str) -> str:
    """Return this machine's directory for the socket and the lock of a cache's detector.

    Not in the cache itself: a socket's path has at most 107 bytes, and is of one machine.
    """
    name = hashlib.blake2b(os.path.abspath(cache).encode(), digest_size=8).hexdigest()
    path = os.path.join(tempfile.gettempdir(), f"stackpile-{os.getuid()}-{name}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    if os.stat(path).st_uid != os.getuid():
        raise DataError(f"{path}: belongs to another user")
    return path


class Detector:
    """Asks the machine's detector; texts of the seed and those asked before need no server."""

    def __init__(self, cache: str | None = None, seed: bool = True) -> None:
        """Use the detector of a cache directory, by default this machine's.

        Without the seed, both start with nothing known but what the cache holds.
        """
        self._cache = cache or cache_directory()
        self._seed = seed
        self._known = load_seed() if seed else {}
        self._connection: socket.socket | None = None

    def detect(self, texts: Sequence[bytes]) -> Answer:
        """Return what ScanCode finds in normalized texts, each distinct one looked at once.

        Raises:
            DataError: the server cannot be started (it says why), or is killed again and again.
        """
        keys = [text_key(text) for text in texts]
        distinct = dict(zip(keys, texts, strict=True))
        asked = {key: text for key, text in distinct.items() if key not in self._known}
        cached, gone = len(distinct) - len(asked), 0
        if asked:
            found, hits = self._request(list(asked.values()))
            cached += hits
            for key, matches in zip(asked, found, strict=True):
                if matches is None:
                    gone += 1
                else:
                    self._known[key] = tuple(Match(*match) for match in matches)
        detected = len(distinct) - cached - gone
        return Answer([self._known.get(key) for key in keys], cached, detected, gone)

    def close(self) -> None:
        """Leave the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, texts: list[bytes]) -> tuple[list[Any], int]:
        for _ in range(ATTEMPTS):
            try:
                connection = self._connect()
                send(connection, [text.decode() for text in texts])
                frames = Frames()
                while (answers := frames.receive(connection)) is not None:
                    for answer in answers:
                        return answer["found"], answer["cached"]
            except OSError:
                pass
            finally:
                self.close()
        raise DataError(f"the license detector was ended {ATTEMPTS} times while it worked")

    def _connect(self) -> socket.socket:
        if self._connection is not None:
            return self._connection
        runtime = runtime_directory(self._cache)
        path, until = os.path.join(runtime, SOCKET), time.monotonic() + START_SECONDS
        server: subprocess.Popen[bytes] | None = None
        failed = 0
        while time.monotonic() < until:
            connection = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                connection.connect(path)
                self._connection = connection
                return connection
            connection.close()
            if server is None or server.poll() is not None:
                # One that finds another there ends with 0, and no other code is of use.
                failed += server is not None and server.returncode != 0
                if failed == STARTS:
                    raise DataError(_why_not(os.path.join(runtime, LOG)))
                server = _start(self._cache, runtime, self._seed)
            time.sleep(0.05)
        raise DataError(
            f"{runtime}: the license detector does not start within {START_SECONDS:g} s"
        )


def _why_not(log: str) -> str:
    """Return the sentence for a server that cannot start: the last line of what it said."""
    with open(log, errors="replace") as lines:
        *_, last = ["it says nothing", *filter(str.strip, lines)]
    return f"the license detector cannot start: {last.strip()} (all that it said is in {log})"


def _start(cache: str, runtime: str, seed: bool) -> "subprocess.Popen[bytes]":
    """Start the server apart from this process's group: Ctrl-C is for the job."""
    start = "seeded" if seed else "cold"
    with open(os.path.join(runtime, LOG), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "filters.scancode.server", cache, runtime, start],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
