"""A cache of blocks of remote shards in a local directory, shared by processes and threads.

    DIR/BUCKET/NAME    a block: the bytes of one ranged read of its shard

A block is written under a temporary name and renamed, so it exists whole or not at all. A reader of
a whole block checks its CRC, because a crash of the machine may leave wrong bytes. Each bucket has
its share of the limit and removes the blocks that were used longest ago. There is no index, so a
crash leaves nothing to repair.

Ours, because diskcache with LRU writes to SQLite on every read: 4 kB of a block take 80 to 176 us
there, 11 to 16 us here, and a whole block of 512 kB 1.5 to 1.8 times as long. The caches of fsspec
have no limit on their size.
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
"""Bytes of all blocks: 16,000 blocks. Ours: 8 times the blocks that a plan of 1,000 interleaved
units fetches ahead."""

BUCKETS = 32
"""Directories, each with an equal share of the limit. Ours: 256 MB are listed quickly."""

ABANDONED = 3600.0
"""Seconds after which a file under a temporary name was left by a crash. Ours."""

FETCHERS = 16
"""Blocks that a process fetches at once in the background: 8 MB in memory. Published: 85 to 90 MB/s
a request ("Performance guidelines for Amazon S3"), so 16 requests fill a line of 10 Gbit/s."""

PART = ".part-"

_locks: dict[str, list[threading.Lock]] = {}
"""Directory -> a lock for each bucket. A lock on a file excludes other processes, but not other
caches of the same process."""

os.register_at_fork(after_in_child=_locks.clear)


def cache_directory() -> str:
    """Return the directory of the blocks, in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "stackpile", "blocks")


def block_name(url: str, origin: int, size: int, crc: int) -> str:
    """Return the name of a block. Another shard at the same URL gives other names."""
    text = f"{url} {origin} {size} {crc}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class BlockCache:
    """A cache of blocks by name; see the module."""

    def __init__(self, directory: str, limit: int = LIMIT) -> None:
        """Keep at most `limit` bytes in a directory, but at least one block in each bucket."""
        self.directory, self.limit = directory, limit
        self._begin()

    def _begin(self) -> None:
        """Set the state that belongs to one process."""
        self._process = os.getpid()
        path = os.path.realpath(self.directory)
        self._locks = _locks.setdefault(path, [threading.Lock() for _ in range(BUCKETS)])
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: set[str] = set()

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """Return bytes of a block; None if the block is not cached or cannot be read."""
        with suppress(OSError), os.fdopen(os.open(self._path(name), os.O_RDONLY), "rb") as block:
            with suppress(OSError):  # a file of another user can be read, but not touched
                os.utime(block.fileno())
            block.seek(start)
            return block.read(size)
        return None

    def whole(
        self, name: str, fetch: Callable[[], bytes], is_right: Callable[[bytes], bool]
    ) -> bytes:
        """Return the cached block if `is_right(block)`, else cache and return `fetch()`.

        Of all threads and processes that request a block, one fetches and the others wait.
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
        """Call `get`, which calls `whole`, in the background, unless the block is cached.

        Errors are ignored: the reader of the block meets them again.
        """
        self._after_fork()
        if name in self._ahead or os.path.exists(self._path(name)):
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(FETCHERS, "blocks")
        self._ahead.add(name)

        def work() -> None:
            with suppress(Exception):
                get()
            self._ahead.discard(name)

        self._pool.submit(work)

    def __del__(self) -> None:
        """Cancel the fetches that have not started."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _after_fork(self) -> None:
        """Renew the state in a forked process, which has no threads and copies of held locks."""
        if self._process != os.getpid():
            self._begin()

    @contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        """Hold the lock of a bucket against other threads and processes.

        A forked process does not inherit the lock on the file, and a crash releases it.
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
                f"{folder}: blocks cannot be cached here ({error.strerror}); set XDG_CACHE_HOME to "
                "another directory"
            ) from None

    def _keep(self, name: str, data: bytes) -> None:
        """Write a block; a full or broken disk only disables the cache."""
        path = self._path(name)
        temporary = os.path.join(os.path.dirname(path), PART + uuid.uuid4().hex)
        try:
            with open(temporary, "xb") as output:
                output.write(data)
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.remove(temporary)
        self._drop_oldest(os.path.dirname(path), keep=name)

    def _drop_oldest(self, folder: str, keep: str) -> None:
        """Remove the blocks of a bucket that were used longest ago, except `keep`."""
        blocks, total = [], 0
        for entry in os.scandir(folder):
            with suppress(OSError):
                about = entry.stat()
                if not entry.name.startswith("."):
                    total += about.st_size
                    blocks.append((about.st_mtime_ns, entry.name, about.st_size))
                elif entry.name.startswith(PART) and time.time() - about.st_mtime > ABANDONED:
                    os.remove(entry.path)
        for _, name, size in sorted(blocks):
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
