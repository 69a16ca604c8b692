"""An S3 server on loopback: moto's, behind a gate that can fail every n-th request."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import fsspec
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bucket"


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Say nothing of each request."""


class Store:
    """The server, seen from a test.

    Attributes:
        endpoint: its URL.
        requests: how many have come in.
        ranges: (path, bytes) -> how many GETs asked for them; those for whole objects left out.
        failed: how many of them were failed.
        every: fail each request whose number this divides; 0 for none.
        cut: fail a GET by closing the connection halfway through its body, not by a 503.
        answers: a request waits until it is set.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._gate, threaded=True, request_handler=_Quiet
        )
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.requests = self.failed = self.every = 0
        self.cut = False
        self.answers = threading.Event()
        self.answers.set()
        self.ranges: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _gate(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.requests += 1
            if environ["REQUEST_METHOD"] == "GET" and "HTTP_RANGE" in environ:
                self.ranges[environ["PATH_INFO"], environ["HTTP_RANGE"]] += 1
            fails = bool(self.every) and self.requests % self.every == 0
            self.failed += fails
        self.answers.wait()
        if not fails:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if self.cut and environ["REQUEST_METHOD"] == "GET":
            body = b"".join(self._app(environ, start_response))
            return [body[: len(body) // 2]]
        start_response("503 Slow Down", [("Content-Length", "0")])
        return []


@contextmanager
def serving(patch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Run a server with one empty bucket, and send S3's clients of this process to it."""
    store = Store()
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": store.endpoint,
        # Attempts are ours to make: those of the client would hide the failures from the test.
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        patch.setenv(name, value)
    # fsspec keeps a client for each set of options, and this one was made for another server.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        # moto keeps buckets for the process, not for the server.
        urlopen(Request(f"{store.endpoint}/moto-api/reset", method="POST")).close()
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield store
    finally:
        store.stop()
