"""Object stores through fsspec: a call is tried again where the store failed, or says so."""

import io
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fsspec.core import url_to_fs
from fsspec.utils import glob_translate

from manifests.errors import DataError, StackpileError, UsageError

ATTEMPTS = 7
"""Calls in a row that a store may fail before a job gives up."""

FIRST_WAIT = 0.1
"""Seconds before the second attempt; each further wait is twice as long: 6.3 s together."""

BUFFER = 8 << 20
"""Bytes asked for at once when a file is read through: AWS's own advice is 8 or 16 MB a request
(Performance design patterns for Amazon S3, byte-range fetches)."""

PACKAGES = {
    "abfs": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "hf": "huggingface_hub",
    "s3": "s3fs",
}
"""What opens a URL of some protocol."""

FINAL = (
    StackpileError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    TypeError,
    ValueError,
)
"""Errors that another attempt would not mend."""

T = TypeVar("T")


def call(url: str, work: Callable[[Any, str], T]) -> T:
    """Return `work(filesystem, path)`, which must be safe to repeat.

    Raises:
        UsageError: no package is installed that opens the URL, its protocol is not known, or a
            store of its kind cannot do such a thing.
        DataError: the store denied access, or failed ATTEMPTS times in a row.
        FileNotFoundError, and others of FINAL: as the store said.
    """
    filesystem, path = _filesystem(url)
    wait = FIRST_WAIT
    for left in reversed(range(ATTEMPTS)):
        try:
            # Listings that fsspec remembers may be older than what was written since.
            filesystem.invalidate_cache()
            return work(filesystem, path)
        except NotImplementedError:
            raise UsageError(f"{url}: this kind of store cannot do that") from None
        except FINAL:
            raise
        except Exception as error:
            if isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError":
                raise DataError(f"{url}: the store denies access: {_said(error)}") from None
            if not left:
                raise DataError(
                    f"{url}: the store failed {ATTEMPTS} times in a row: {_said(error)}"
                ) from None
        time.sleep(wait)
        wait *= 2
    raise AssertionError("the last attempt returns or raises")


def _filesystem(url: str) -> tuple[Any, str]:
    protocol = url.partition("://")[0]
    try:
        filesystem, path = url_to_fs(url)
    except ImportError:
        package = PACKAGES.get(protocol)
        hint = f"pip install {package}" if package else "see fsspec's documentation"
        raise UsageError(
            f"{url}: nothing installed here opens {protocol}:// URLs: {hint}"
        ) from None
    except ValueError as error:
        raise UsageError(f"{url}: cannot be opened: {error}") from None
    return filesystem, path


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]


def read_range(url: str, start: int, size: int) -> bytes:
    """Return up to `size` bytes of a file from `start` on: fewer only where it ends."""
    if not size:
        return b""
    return call(url, lambda store, path: bytes(store.cat_file(path, start=start, end=start + size)))


def put(source: str, url: str, size: int) -> None:
    """Store a local file of `size` bytes under a URL, whole or not at all.

    A store that took another number of bytes failed: what it took is not left there.

    Raises:
        UsageError: there is no bucket of that name; directories are made as they are needed.
    """

    def work(store: Any, path: str) -> None:
        try:
            store.put_file(source, path)
        except FileNotFoundError:
            raise UsageError(f"{url}: there is no such bucket") from None
        store.invalidate_cache()
        if (stored := int(store.info(path)["size"])) != size:
            remove_whatever_is_there(store, path)
            raise OSError(f"it stored {stored} of {size} bytes")

    call(url, work)


def remove_whatever_is_there(store: Any, path: str) -> None:
    """Delete a file that may not be there, with the one call that every store has."""
    try:
        store.rm(path)
    except FileNotFoundError:
        return


def matching(url: str) -> list[str]:
    """Return the files that a pattern matches, as full URLs, sorted.

    fsspec's own glob takes a directory that could not be listed for an empty one.
    """
    filesystem, pattern = _filesystem(url)
    fits = re.compile(glob_translate(pattern)).fullmatch
    wild = min((i for i in map(pattern.find, "*?[") if i >= 0), default=len(pattern))
    root = pattern[:wild].rpartition("/")[0]
    levels = pattern[len(root) + 1 :].count("/") if "**" not in pattern else 1 << 30
    found = [path for path in _below(url, root, levels) if fits(path)]
    return sorted(filesystem.unstrip_protocol(path) for path in found)


def _below(url: str, directory: str, levels: int) -> Iterator[str]:
    """Yield the paths of the files in a directory of a store and so many levels below it."""
    for path, is_directory in _entries(url, directory):
        if not is_directory:
            yield path
        elif levels and path.strip("/") != directory.strip("/"):
            yield from _below(url, path, levels - 1)


def entries(url: str) -> list[tuple[str, bool]]:
    """Return what is in a directory, as (path, whether it is one); nothing where there is none."""
    return _entries(url, _filesystem(url)[1])


def _entries(url: str, directory: str) -> list[tuple[str, bool]]:
    try:
        found = call(url, lambda store, _: store.ls(directory, detail=True))
    except FileNotFoundError:
        return []
    return [(entry["name"], entry["type"] == "directory") for entry in found]


class RemoteFile(io.RawIOBase):
    """A file of a store, read in ranges: each one tried again, none ever shorter than asked."""

    def __init__(self, url: str) -> None:
        """Open a file; FileNotFoundError where there is none."""
        self._url, self._position = url, 0
        self._size = int(call(url, lambda store, path: store.info(path))["size"])

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """Any byte can be gone to."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; DataError where the file became shorter meanwhile."""
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
    """Open a file of a store for reading; FileNotFoundError where there is none."""
    return io.BufferedReader(RemoteFile(url), BUFFER)
