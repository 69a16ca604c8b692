"""The client of the machine's detector: a worker sends texts and starts a missing server."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from filters.scancode.cache import Matches, cache_directory, load_seed, text_key
from filters.scancode.detector import Match
from filters.scancode.server import SOCKET
from manifests.errors import DataError

START_SECONDS = 60.0
"""Time limit until a new server listens (ours: the server imports little before)."""

ATTEMPTS = 3
"""How often a request is sent if the server is killed before it answers, or fails."""

STARTS = 3
"""How often a server is started if it ends with an error before it listens."""

LOG = "detector.log"


class Answer(NamedTuple):
    """The detection of n texts.

    Attributes:
        found: the matches of each text; None if ScanCode took too long, twice.
        cached: distinct texts that were known.
        detected: distinct texts that were detected.
        timed_out: distinct texts that were given up.
    """

    found: list[Matches | None]
    cached: int
    detected: int
    timed_out: int


def runtime_directory(cache: str) -> str:
    """Return this machine's directory for the socket and the lock of a cache's detector.

    The directory is not in the cache: a socket's path has at most 107 bytes, and machines may
    share a cache but not a socket.
    """
    name = hashlib.blake2b(os.path.abspath(cache).encode(), digest_size=8).hexdigest()
    path = os.path.join(tempfile.gettempdir(), f"stackpile-{os.getuid()}-{name}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    if os.stat(path).st_uid != os.getuid():
        raise DataError(f"{path}: belongs to another user")
    return path


class Detector:
    """A client of the machine's detector. Texts of the seed and earlier texts need no server."""

    def __init__(self, cache: str | None = None, seed: bool = True) -> None:
        """Use the detector of a cache directory, by default this machine's.

        Without the seed, client and server start with nothing but the content of the cache.
        """
        self._cache = cache or cache_directory()
        self._seed = seed
        self._known = load_seed() if seed else {}

    def detect(self, texts: Sequence[bytes]) -> Answer:
        """Return the matches of normalized texts; each distinct text is detected once.

        Raises:
            DataError: the server cannot be started, or failed or was killed ATTEMPTS times (the
                message says why).
        """
        keys = [text_key(text) for text in texts]
        distinct = dict(zip(keys, texts, strict=True))
        missing = {key: text for key, text in distinct.items() if key not in self._known}
        cached, timed_out = len(distinct) - len(missing), 0
        if missing:
            answer = self._request(list(missing.values()))
            cached += answer["cached"]
            for key, matches in zip(missing, answer["found"], strict=True):
                if matches is None:
                    timed_out += 1
                else:
                    self._known[key] = tuple(Match(*match) for match in matches)
            if answer["warning"]:
                warnings.warn(answer["warning"], stacklevel=2)
        detected = len(distinct) - cached - timed_out
        return Answer([self._known.get(key) for key in keys], cached, detected, timed_out)

    def _request(self, texts: list[bytes]) -> dict[str, Any]:
        """Return the server's answer; send the request again if the server failed or was killed."""
        message = json.dumps([text.decode() for text in texts]).encode() + b"\n"
        failure = f"was killed {ATTEMPTS} times during a request"
        for _ in range(ATTEMPTS):
            with (
                contextlib.suppress(OSError),
                self._connect() as connection,
                connection.makefile("rwb") as stream,
            ):
                stream.write(message)
                stream.flush()
                line = stream.readline()
                if line.endswith(b"\n"):
                    answer: dict[str, Any] = json.loads(line)
                    if "error" not in answer:
                        return answer
                    failure = f"failed: {answer['error']}"
        log = os.path.join(runtime_directory(self._cache), LOG)
        raise DataError(f"the license detector {failure} (log: {log})")

    def _connect(self) -> socket.socket:
        """Return a connection to the server; start the server if there is none."""
        runtime = runtime_directory(self._cache)
        path, deadline = os.path.join(runtime, SOCKET), time.monotonic() + START_SECONDS
        server: subprocess.Popen[bytes] | None = None
        failures = 0
        while time.monotonic() < deadline:
            connection = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                connection.connect(path)
                return connection
            connection.close()
            if server is None or server.poll() is not None:
                # A server that finds another one running ends with 0.
                failures += server is not None and server.returncode != 0
                if failures == STARTS:
                    raise DataError(_start_failure(os.path.join(runtime, LOG)))
                server = _start(self._cache, runtime, self._seed)
            time.sleep(0.05)
        raise DataError(
            f"{runtime}: the license detector does not start within {START_SECONDS:g} s"
        )


def _start_failure(log: str) -> str:
    """Return the message about a server that cannot start: the last line of its log."""
    with open(log, errors="replace") as lines:
        *_, last = ["it wrote no message", *filter(str.strip, lines)]
    return f"the license detector cannot start: {last.strip()} (log: {log})"


def _start(cache: str, runtime: str, seed: bool) -> "subprocess.Popen[bytes]":
    """Start the server in a session of its own, so that Ctrl-C does not end it."""
    start = "seeded" if seed else "cold"
    with open(os.path.join(runtime, LOG), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "filters.scancode.server", cache, runtime, start],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
