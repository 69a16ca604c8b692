"""Every file that Stackpile reads or writes goes through here: local paths and fsspec URLs."""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import fsspec
from fsspec.core import url_to_fs

from manifests.canonical import canonical_json
from manifests.errors import BadData

CHUNK = 1 << 20


def is_local(url: str) -> bool:
    """Tell whether `url` is a path of this machine."""
    return "://" not in url or url.startswith("file://")


def local_path(url: str) -> str:
    """Return the path of a local `url`, without its scheme."""
    return url.removeprefix("file://")


def join(base: str, *names: str) -> str:
    """Join names to a directory; the same for a path and for a URL."""
    return "/".join([base.rstrip("/") or "/", *names]) if names else base


def open_input(url: str) -> IO[bytes]:
    """Open a file for reading; FileNotFoundError where there is none."""
    if is_local(url):
        return open(local_path(url), "rb")
    return cast(IO[bytes], fsspec.open(url, "rb").open())


def exists(url: str) -> bool:
    """Tell whether a file or a directory is there."""
    if is_local(url):
        return os.path.exists(local_path(url))
    filesystem, path = url_to_fs(url)
    return bool(filesystem.exists(path))


def size(url: str) -> int:
    """Return a file's size in bytes."""
    if is_local(url):
        return os.path.getsize(local_path(url))
    filesystem, path = url_to_fs(url)
    return int(filesystem.size(path))


def version(url: str) -> str:
    """Return what changes when a file's content does: its etag, else its mtime in nanoseconds."""
    if is_local(url):
        return str(os.stat(local_path(url)).st_mtime_ns)
    filesystem, path = url_to_fs(url)
    info = filesystem.info(path)
    for field in ("etag", "ETag", "md5Hash", "mtime", "LastModified", "last_modified"):
        if info.get(field):
            return str(info[field])
    return str(info["size"])


def glob(pattern: str) -> list[str]:
    """Return the files that match a pattern (`**` crosses directories), sorted, as full URLs."""
    filesystem, path = url_to_fs(pattern)
    found = sorted(name for name in filesystem.glob(path) if filesystem.isfile(name))
    return found if is_local(pattern) else [filesystem.unstrip_protocol(name) for name in found]


def list_names(directory: str) -> list[str]:
    """Return the sorted names of a directory's files, temporary ones left out; none, no names."""
    if is_local(directory):
        try:
            names = os.listdir(local_path(directory))
        except FileNotFoundError:
            return []
    else:
        filesystem, path = url_to_fs(directory)
        if not filesystem.isdir(path):
            return []
        names = [entry.rsplit("/", 1)[-1] for entry in filesystem.ls(path, detail=False)]
    return sorted(name for name in names if not name.startswith("."))


def remove(url: str) -> None:
    """Delete a file; one that is not there is no error."""
    if is_local(url):
        with _no_such_file_is_fine():
            os.remove(local_path(url))
        return
    filesystem, path = url_to_fs(url)
    with _no_such_file_is_fine():
        filesystem.rm_file(path)


@contextmanager
def _no_such_file_is_fine() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return


@contextmanager
def replacing(url: str) -> Iterator[IO[bytes]]:
    """Write a file that appears whole or not at all.

    The bytes go to a temporary name beside it (in the machine's temporary directory for a URL),
    are flushed to disk, and take the final name when the block ends without an error.
    """
    if not is_local(url):
        with tempfile.NamedTemporaryFile() as file:
            yield cast(IO[bytes], file)
            file.flush()
            filesystem, path = url_to_fs(url)
            filesystem.put_file(file.name, path)
        return
    path = local_path(url)
    directory = os.path.dirname(path) or "."
    os.makedirs(directory, exist_ok=True)
    temporary = os.path.join(directory, f".{os.path.basename(path)}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
        os.replace(temporary, path)
    except BaseException:
        with _no_such_file_is_fine():
            os.remove(temporary)
        raise
    _sync_directory(directory)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(url: str, data: bytes) -> None:
    """Write a small file, whole or not at all."""
    with replacing(url) as output:
        output.write(data)


def write_json(url: str, value: Any) -> None:
    """Write canonical JSON and a line end, whole or not at all."""
    write_bytes(url, canonical_json(value) + b"\n")


def read_bytes(url: str) -> bytes:
    """Return a file's content; BadData, naming it, where there is none."""
    try:
        with open_input(url) as source:
            return source.read()
    except FileNotFoundError:
        raise BadData(f"{url}: there is no such file") from None


def sha256(url: str) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal characters."""
    state = hashlib.sha256()
    with open_input(url) as source:
        while chunk := source.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()
