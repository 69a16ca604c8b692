"""Reads and writes files at local paths and fsspec URLs. All other modules use these functions."""

import hashlib
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any, cast

from fsspec.core import url_to_fs

from manifests.errors import DataError, UsageError
from manifests.io import object_store
from manifests.io.digest import canonical_json

CHUNK = 1 << 20

READ_THREADS = 8
"""Files that are read at once. Ours: threads wait for object stores, and decompress without the
GIL."""

REQUESTS = 32
"""Small files that are requested at once. Ours: a store answers in 30 to 100 ms, so 20,000 files
take a minute at most."""

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp", re.DOTALL)
"""Names of local files that are being written or that a killed job left."""


def is_local(url: str) -> bool:
    """Tell whether `url` is a path of this machine."""
    return "://" not in url or url.startswith("file://")


def local_path(url: str) -> str:
    """Return the path of a local `url`, without its scheme."""
    return url.removeprefix("file://")


def require_local(url: str) -> str:
    """Return the path of a local `url`; UsageError for a URL of a store."""
    if not is_local(url):
        raise UsageError(f"{url}: is a URL; this command writes to a directory of a file system")
    return local_path(url)


def join(base: str, *names: str) -> str:
    """Join names to a directory, which is a path or a URL."""
    return "/".join([base.rstrip("/") or "/", *names]) if names else base


def resolve(directory: str, path: str) -> str:
    """Return a path or URL; a relative path starts at `directory`, which is a path or a URL."""
    if "://" in path:
        return path
    if os.path.isabs(path):
        return os.path.normpath(path)
    scheme, separator, rest = directory.rpartition("://")
    return scheme + separator + os.path.normpath(join(rest, path))


def open_input(url: str) -> IO[bytes]:
    """Open a file for reading; FileNotFoundError if it does not exist."""
    if is_local(url):
        return open(local_path(url), "rb")
    return cast(IO[bytes], object_store.open_file(url))


def read_range(url: str, start: int, size: int) -> bytes:
    """Return `size` bytes of a file from `start` on, or fewer at its end: one request to a store.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    if not is_local(url):
        return object_store.read_range(url, start, size)
    with open(local_path(url), "rb") as source:
        source.seek(start)
        return source.read(size)


def exists(url: str) -> bool:
    """Tell whether a file or a directory exists."""
    if is_local(url):
        return os.path.exists(local_path(url))
    try:
        _info(url)
    except FileNotFoundError:
        return False
    return True


def size(url: str) -> int:
    """Return a file's size in bytes."""
    if is_local(url):
        return os.path.getsize(local_path(url))
    return int(_info(url)["size"])


def stamp(url: str) -> tuple[int, str]:
    """Return the size of a file in bytes, and its version, by one request to a store.

    The version is the etag of an object, or the time of its last change; of a local file the time
    in nanoseconds. A store that has neither gives the size, so a new content of the same size has
    the same version.
    """
    if is_local(url):
        status = os.stat(local_path(url))
        return status.st_size, str(status.st_mtime_ns)
    info = _info(url)
    fields = ("etag", "ETag", "md5Hash", "mtime", "LastModified", "last_modified")
    version = str(next((info[field] for field in fields if info.get(field)), info["size"]))
    return int(info["size"]), version


def _info(url: str) -> dict[str, Any]:
    """Return the metadata of a file. fsspec's `exists` is not used: it hides a store's errors."""
    return cast(dict[str, Any], object_store.call(url, lambda store, path: store.info(path)))


def glob(pattern: str) -> list[str]:
    """Return the files that match a pattern (`**` crosses directories), sorted, as full URLs."""
    if not is_local(pattern):
        return object_store.matching(pattern)
    filesystem, path = url_to_fs(pattern)
    return sorted(name for name in filesystem.glob(path) if filesystem.isfile(name))


def list_names(directory: str) -> list[str]:
    """Return the sorted names in a directory without temporary files; none if it does not exist."""
    if is_local(directory):
        try:
            names = os.listdir(local_path(directory))
        except FileNotFoundError:
            return []
    else:
        names = object_store.names(directory)
    return sorted(name for name in names if not name.startswith("."))


def sizes(directory: str) -> dict[str, int]:
    """Return path relative to a directory -> bytes of all files below it, hidden ones too.

    A store is asked once for each directory, or for each 1,000 names.
    """
    if not is_local(directory):
        return object_store.sizes(directory)
    base = local_path(directory)
    by_path: dict[str, int] = {}
    for folder, _, names in os.walk(base):
        for name in names:
            path = os.path.join(folder, name)
            with suppress(FileNotFoundError):  # a temporary file that was renamed meanwhile
                by_path[os.path.relpath(path, base)] = os.path.getsize(path)
    return by_path


def idle(url: str) -> float:
    """Return the seconds since a file was written; 0 if a store does not record the time."""
    if is_local(url):
        return time.time() - os.path.getmtime(local_path(url))
    info = _info(url)
    for field in ("LastModified", "last_modified", "mtime", "updated", "created"):
        if isinstance(written := info.get(field), datetime):
            return (datetime.now(written.tzinfo) - written).total_seconds()
    return 0.0


def remove(url: str) -> None:
    """Delete a file if it exists."""
    if is_local(url):
        with suppress(FileNotFoundError):
            os.remove(local_path(url))
        return
    object_store.call(url, object_store.remove_if_exists)


@contextmanager
def replacing(url: str) -> Iterator[IO[bytes]]:
    """Write a file atomically.

    The bytes go to a temporary file beside it (in the machine's temporary directory for a URL),
    which is flushed to disk and renamed when the block ends without an error.
    """
    if not is_local(url):
        with tempfile.NamedTemporaryFile() as file:
            yield cast(IO[bytes], file)
            file.flush()
            object_store.put(file.name, url, os.path.getsize(file.name))
        return
    with _renaming(local_path(url)) as temporary, open(temporary, "xb") as output:
        yield output
        output.flush()
        os.fsync(output.fileno())


@contextmanager
def _renaming(path: str) -> Iterator[str]:
    """Yield a temporary path beside a local file; after the block it is renamed to the file."""
    directory = os.path.dirname(path) or "."
    os.makedirs(directory, exist_ok=True)
    temporary = os.path.join(directory, f".{os.path.basename(path)}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:  # os.replace does nothing if both are links to one file
        with suppress(FileNotFoundError):
            os.remove(temporary)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_copy(source: str, target: str) -> None:
    """Link a finished file to a second path, or copy it if it cannot be linked; atomic.

    Finished files are never changed in place, so a link is as good as a copy.

    Raises:
        DataError: the source does not exist.
    """
    try:
        if not (is_local(source) and is_local(target) and _link(source, target)):
            with open_input(source) as data, replacing(target) as output:
                shutil.copyfileobj(data, output, CHUNK)
    except FileNotFoundError:
        raise DataError(f"{source}: there is no such file") from None


def _link(source: str, target: str) -> bool:
    """Link a local file to a second path; false if the file system cannot link it."""
    try:
        with _renaming(local_path(target)) as temporary:
            os.link(local_path(source), temporary)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        return False
    return True


def write_bytes(url: str, data: bytes) -> None:
    """Write a small file atomically."""
    with replacing(url) as output:
        output.write(data)


def write_json(url: str, value: Any) -> None:
    """Write canonical JSON and a line end atomically."""
    write_bytes(url, canonical_json(value) + b"\n")


def read_bytes(url: str) -> bytes:
    """Return the content of a file; DataError if it does not exist."""
    data = read_if_exists(url)
    if data is None:
        raise DataError(f"{url}: there is no such file")
    return data


def read_if_exists(url: str) -> bytes | None:
    """Return the content of a file, None if it does not exist: one request to a store."""
    try:
        if not is_local(url):
            return object_store.read(url)
        with open(local_path(url), "rb") as source:
            return source.read()
    except FileNotFoundError:
        return None


def sha256(url: str) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal characters."""
    state = hashlib.sha256()
    with open_input(url) as source:
        while chunk := source.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()
