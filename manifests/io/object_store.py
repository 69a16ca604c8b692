"""Object stores through fsspec. A call that fails is repeated."""

import errno
import io
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from fsspec.core import url_to_fs
from fsspec.utils import glob_translate

from manifests.errors import DataError, StackpileError, UsageError

ATTEMPTS = 7
"""Number of attempts of a call. Ours."""

FIRST_WAIT = 0.1
"""Seconds before the second attempt. Each further wait is twice as long: 6.3 s in total. Ours."""

BUFFER = 8 << 20
"""Bytes of a request when a file is read from start to end. Published: 8 or 16 MB (AWS, Performance
design patterns for Amazon S3, byte-range fetches)."""

WHOLE = {"abfs", "abfss", "adl", "az", "gcs", "gs", "hf", "memory", "oss", "s3", "s3a"}
"""Protocols of stores in which an object appears whole. Other file systems, such as HDFS and SFTP,
show a file while it is written."""

PACKAGES = {
    "abfs": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "hf": "huggingface_hub",
    "s3": "s3fs",
}
"""Protocol -> the package that opens its URLs."""

FINAL = (
    StackpileError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    TypeError,
    ValueError,
)
"""Errors that another attempt would raise again, beside FileNotFoundError."""

T = TypeVar("T")


def call(url: str, work: Callable[[Any, str], T]) -> T:
    """Return `work(filesystem, path)`, which must be safe to repeat.

    Raises:
        UsageError: no installed package opens the URL, its protocol is unknown, or this kind of
            store does not implement the call.
        DataError: the store denied access, or failed ATTEMPTS times in a row.
        FileNotFoundError: the file does not exist; `filename` is the URL.
        The other errors of FINAL: as the store raised them.
    """
    filesystem, path = _filesystem(url)
    wait = FIRST_WAIT
    for left in reversed(range(ATTEMPTS)):
        try:
            # fsspec's cached listings may be older than the last write.
            filesystem.invalidate_cache()
            return work(filesystem, path)
        except NotImplementedError:
            raise UsageError(f"{url}: this kind of store does not implement that") from None
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
        except FINAL:
            raise
        except Exception as error:
            if isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError":
                raise DataError(f"{url}: the store denies access: {_first_line(error)}") from None
            if not left:
                raise DataError(
                    f"{url}: the store failed {ATTEMPTS} times in a row: {_first_line(error)}"
                ) from None
        time.sleep(wait)
        wait *= 2
    raise AssertionError("the last attempt returns or raises")


def _filesystem(url: str) -> tuple[Any, str]:
    """Return the filesystem of a URL and the path in it; UsageError if nothing opens the URL."""
    protocol = url.partition("://")[0]
    try:
        filesystem, path = url_to_fs(url)
    except ImportError:
        package = PACKAGES.get(protocol)
        hint = f"pip install {package}" if package else "see fsspec's documentation"
        raise UsageError(f"{url}: no installed package opens {protocol}:// URLs: {hint}") from None
    except ValueError as error:
        raise UsageError(f"{url}: cannot be opened: {error}") from None
    return filesystem, path


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its class."""
    return (str(error) or type(error).__name__).partition("\n")[0]


def read_range(url: str, start: int, size: int) -> bytes:
    """Return `size` bytes of a file from `start` on, or fewer at its end."""
    if not size:
        return b""
    return call(url, lambda store, path: bytes(store.cat_file(path, start=start, end=start + size)))


def read(url: str) -> bytes:
    """Return the content of a small file by one request; FileNotFoundError if it does not exist."""
    return call(url, lambda store, path: bytes(store.cat_file(path)))


def put(source: str, url: str, size: int) -> None:
    """Store a local file of `size` bytes at a URL, atomically.

    Where a file is seen while it is written, the bytes go to a temporary file beside it, which is
    renamed. If the store holds another number of bytes afterwards, they are removed and the call is
    repeated.

    Raises:
        UsageError: the bucket does not exist.
    """
    is_whole = url.partition("://")[0] in WHOLE

    def work(store: Any, path: str) -> None:
        folder, _, name = path.rpartition("/")
        target = path if is_whole else f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
        try:
            if not is_whole:
                store.makedirs(folder, exist_ok=True)
            store.put_file(source, target)
        except FileNotFoundError:
            raise UsageError(f"{url}: the bucket does not exist") from None
        store.invalidate_cache()
        if (stored := int(store.info(target)["size"])) != size:
            remove_if_exists(store, target)
            raise OSError(f"the store has {stored} of {size} bytes")
        if target != path:
            remove_if_exists(store, path)  # HDFS renames no file onto another one
            store.mv(target, path)

    call(url, work)


def remove_if_exists(store: Any, path: str) -> None:
    """Delete a file if it exists, by the one call that every store has."""
    with suppress(FileNotFoundError):
        store.rm(path)


def matching(url: str) -> list[str]:
    """Return the files that match a pattern, as full URLs, sorted.

    fsspec's own glob returns nothing for a directory that the store failed to list.
    """
    filesystem, pattern = _filesystem(url)
    is_match = re.compile(glob_translate(pattern)).fullmatch
    wild = min((i for i in map(pattern.find, "*?[") if i >= 0), default=len(pattern))
    root = pattern[:wild].rpartition("/")[0]
    levels = pattern[len(root) + 1 :].count("/") if "**" not in pattern else 1 << 30
    paths = [path for path, _ in _below(url, root, levels) if is_match(path)]
    return sorted(filesystem.unstrip_protocol(path) for path in paths)


def sizes(url: str) -> dict[str, int]:
    """Return path relative to a directory -> bytes of all files below the directory."""
    directory = _filesystem(url)[1]
    prefix = directory.strip("/") + "/"
    files = _below(url, directory, 1 << 30)
    return {path.strip("/").removeprefix(prefix): size for path, size in files}


def _below(url: str, directory: str, levels: int) -> Iterator[tuple[str, int]]:
    """Yield (path, bytes) of the files in a directory and up to `levels` levels below it."""
    for entry in _entries(url, directory):
        if entry["type"] != "directory":
            yield entry["name"], int(entry["size"])
        elif levels and entry["name"].strip("/") != directory.strip("/"):
            yield from _below(url, entry["name"], levels - 1)


def names(url: str) -> list[str]:
    """Return the names of the entries of a directory; none if it does not exist."""
    entries = _entries(url, _filesystem(url)[1])
    return [entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries]


def _entries(url: str, directory: str) -> list[dict[str, Any]]:
    try:
        return call(url, lambda store, _: list(store.ls(directory, detail=True)))
    except FileNotFoundError:
        return []


class RemoteFile(io.RawIOBase):
    """A file of a store, read in ranges. A range that fails is requested again."""

    def __init__(self, url: str) -> None:
        """Open a file; FileNotFoundError if it does not exist."""
        self._url, self._position = url, 0
        self._size = int(call(url, lambda store, path: store.info(path))["size"])

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; DataError if the file became shorter meanwhile."""
        size = max(0, min(len(buffer), self._size - self._position))
        data = read_range(self._url, self._position, size)
        if len(data) != size:
            raise DataError(
                f"{self._url}: ends at byte {self._position + len(data)}, not at "
                f"{self._size}: it was replaced while it was read"
            )
        buffer[:size] = data
        self._position += size
        return size


def open_file(url: str) -> io.BufferedReader:
    """Open a file of a store for reading; FileNotFoundError if it does not exist."""
    return io.BufferedReader(RemoteFile(url), BUFFER)
