"""Blocks of remote shards, kept in a local directory: bounded, shared by processes and by threads.

    DIR/BUCKET/NAME    a block, as many bytes as one ranged read of its shard gave

A block is written under another name and renamed into place, so it is there whole or not at all;
whoever reads one whole checks it again, for a machine that went down may have left any bytes.
Each bucket keeps within its share of the limit by itself, dropping what was used longest ago:
there is no index that could be wrong, and nothing to be cleaned up after a crash.
"""

import fcntl
import hashlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import IO

from manifests.errors import DataError

LIMIT = 8 << 30
"""Bytes that the blocks may take: sixteen thousand of them, which is eight times what a plan that
interleaves a thousand units looks ahead."""

BUCKETS = 32
"""Directories that the limit is divided among: 256 MB each, quick to look through."""

ABANDONED = 3600.0
"""Seconds after which a file that is still under its temporary name was left by a crash."""

FETCHERS = 16
"""Blocks that one process fetches ahead at once: 8 MB in memory. AWS speaks of 85 to 90 MB/s a
request ("Performance guidelines for Amazon S3"), so this many fill a 10 Gbit/s line."""

PART = ".part-"

_locks: dict[str, list[threading.Lock]] = {}
"""Directory -> a lock for each bucket: of the process, for a lock on a file holds off other
processes, but no other cache of this one."""

os.register_at_fork(after_in_child=_locks.clear)


def cache_directory() -> str:
    """Return where this machine keeps blocks: in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "stackpile", "blocks")


def block_name(url: str, origin: int, size: int, crc: int) -> str:
    """Return what a block is called here: another shard under the same URL gives other names."""
    text = f"{url} {origin} {size} {crc}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class BlockCache:
    """Blocks by name; see the module."""

    def __init__(self, directory: str, limit: int = LIMIT) -> None:
        """Keep at most `limit` bytes in a directory, and one block in each bucket in any case."""
        self.directory, self.limit = directory, limit
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        place = os.path.realpath(self.directory)
        self._locks = _locks.setdefault(place, [threading.Lock() for _ in range(BUCKETS)])
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: set[str] = set()

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """Return bytes of a block; None where it is not here, or cannot be read."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY)
        except OSError:
            return None
        try:
            with suppress(OSError):  # another user's: it can be read, but not marked as used
                os.utime(descriptor)
            whole = os.fstat(descriptor).st_size
            return os.pread(descriptor, whole if size is None else size, start)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def whole(
        self, name: str, fetch: Callable[[], bytes], is_right: Callable[[bytes], bool]
    ) -> bytes:
        """Return a block: the one that is here if it is right, else what `fetch` returns, kept.

        Of all threads and processes that want it one fetches, and the others wait.
        """
        data = self.read(name)
        if data is not None and is_right(data):
            return data
        with self._one_at_a_time(name):
            data = self.read(name)
            if data is None or not is_right(data):
                data = fetch()
                self._keep(name, data)
        return data

    def ahead(self, name: str, get: Callable[[], object]) -> None:
        """Call `get`, which calls `whole`, in the background, unless the block is here.

        What goes wrong there goes wrong again, and is said, when the block is wanted.
        """
        self._after_fork()
        if name in self._ahead or os.path.exists(self._path(name)):
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(FETCHERS, "blocks")
        self._ahead.add(name)

        def work() -> None:
            try:
                with suppress(Exception):
                    get()
            finally:
                self._ahead.discard(name)

        self._pool.submit(work)

    def __del__(self) -> None:
        """Fetch nothing more."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _after_fork(self) -> None:
        """Start afresh in a forked process: it has no threads, and locks that stay as they were."""
        if self._process != os.getpid():
            self._begin()

    @contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        """Hold a lock that few other blocks share, against threads and against processes.

        That of the file is one that a forked process does not inherit, and that no crash leaves.
        """
        self._after_fork()
        with self._locks[self._bucket(name)], self._lock_file(name) as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    def _lock_file(self, name: str) -> IO[bytes]:
        folder = os.path.dirname(self._path(name))
        try:
            os.makedirs(folder, exist_ok=True)
            return open(os.path.join(folder, ".lock"), "ab")
        except OSError as error:
            raise DataError(
                f"{folder}: blocks cannot be kept here ({error.strerror}); XDG_CACHE_HOME names "
                "another place"
            ) from None

    def _keep(self, name: str, data: bytes) -> None:
        path = self._path(name)
        temporary = os.path.join(os.path.dirname(path), PART + uuid.uuid4().hex)
        try:
            with open(temporary, "xb") as output:
                output.write(data)
            os.replace(temporary, path)
        except OSError:
            # A full or broken disk makes the cache useless, not the data.
            with suppress(OSError):
                os.remove(temporary)
        self._drop_oldest(os.path.dirname(path), keep=name)

    def _drop_oldest(self, folder: str, keep: str) -> None:
        found, total = [], 0
        for entry in os.scandir(folder):
            with suppress(OSError):
                about = entry.stat()
                if not entry.name.startswith("."):
                    total += about.st_size
                    found.append((about.st_mtime_ns, entry.name, about.st_size))
                elif entry.name.startswith(PART) and time.time() - about.st_mtime > ABANDONED:
                    os.remove(entry.path)
        for _, name, size in sorted(found):
            if total <= self.limit // BUCKETS:
                break
            if name != keep:
                with suppress(OSError):
                    os.remove(os.path.join(folder, name))
                total -= size

    def _bucket(self, name: str) -> int:
        return int(name[:8], 16) % BUCKETS

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{self._bucket(name):02d}", name)
