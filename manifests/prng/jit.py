"""The decorator of functions that numba compiles, with a disk cache that follows the sources.

numba compiles a cached function again when the function's own file changes. numba does not notice a
change in another file whose functions the compiled function calls, or whose constants are frozen
into it. The cache directory of a module is therefore named after a digest of the module's source
and of every module of this repository that it imports, directly or not.
"""

import atexit
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
from numba.core import event

CONFIG: Any = numba.config
F = TypeVar("F", bound=Callable[..., Any])
ROOT = Path(__file__).parent.parent.parent
STALE = 30 * 86_400
"""Seconds since its last use after which a cache directory is removed."""

PACKAGES = ("filters", "manifests", "objectives", "pipelines")
"""Packages whose compiled functions are announced."""

_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+)?import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)


def compiled(*, inline: bool = False) -> Callable[[F], F]:
    """Return a decorator that compiles a function, which then runs without the GIL.

    Args:
        inline: copy the body into each compiled caller. A call that is not inlined takes as long
            as copying 50 tokens.
    """

    def decorate(function: F) -> F:
        mode: Literal["always", "never"] = "always" if inline else "never"
        digest = sources_digest(Path(function.__code__.co_filename))
        directory = cache_directory(digest, _parents())
        previous, CONFIG.CACHE_DIR = CONFIG.CACHE_DIR, str(directory)
        try:  # numba reads the setting once, when it decorates
            return cast(F, numba.njit(cache=True, nogil=True, inline=mode)(function))
        finally:
            CONFIG.CACHE_DIR = previous

    return decorate


@cache
def cache_directory(digest: str, parents: tuple[Path, ...]) -> Path:
    """Return the directory of compiled functions of one state of the sources.

    Args:
        digest: of the sources.
        parents: directories in the order of preference. Where none can be written, a temporary
            directory serves this process alone.
    """
    for parent in parents:
        directory = parent / f"kernels-{digest}"
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            os.utime(directory)
            if os.access(directory, os.W_OK):
                _remove_stale(parent)
                return directory
    temporary = Path(tempfile.mkdtemp(prefix="stackpile-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


def _parents() -> tuple[Path, ...]:
    """Return NUMBA_CACHE_DIR, then a directory beside the packages, then the user's cache."""
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    configured = [Path(CONFIG.CACHE_DIR)] if CONFIG.CACHE_DIR else []
    return (*configured, ROOT / "manifests" / "__pycache__", Path(user_cache) / "stackpile")


@cache
def sources_digest(path: Path) -> str:
    """Return 16 hexadecimal digits of a module's source and of all sources that it imports."""
    sources = {path}
    pending = [path]
    while pending:
        new = _imported(pending.pop()) - sources
        sources |= new
        pending += new
    content = hashlib.sha256()
    for source in sorted(sources):
        content.update(os.path.relpath(source, ROOT).encode() + b"\0" + _read(source) + b"\0")
    return content.hexdigest()[:16]


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Return the files of this repository that a module imports by absolute names.

    A line of a docstring that reads like an import counts too: that costs a compilation at most.
    """
    names: list[str] = []
    for module, imported in _IMPORT.findall(_read(path).decode()):
        words = re.findall(r"[\w.]+", imported)
        names += [module, *(f"{module}.{word}" for word in words)] if module else words
    stems = [name.replace(".", "/") for name in names]
    sources = [ROOT / f"{stem}{end}" for stem in stems for end in (".py", "/__init__.py")]
    return frozenset(filter(Path.is_file, sources))


@cache
def _read(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _remove_stale(parent: Path) -> None:
    """Remove the cache directories below `parent` that were not used for STALE seconds."""
    for directory in parent.glob("kernels-*"):
        with suppress(OSError):
            if time.time() - directory.stat().st_mtime > STALE:
                shutil.rmtree(directory)


class CompileCounter(event.Listener):
    """Counts the functions that a process compiles, and announces the first one on stderr.

    A function that is loaded from the disk cache is not compiled.
    """

    def __init__(self) -> None:
        """Start at 0."""
        self.count = 0

    def on_start(self, event: Any) -> None:
        """Count the compilation of one of our functions."""
        module = event.data["dispatcher"].py_func.__module__
        if module.partition(".")[0] not in PACKAGES:
            return
        if self.count == 0:
            text = "compiling kernels, once for each version; `stackpile warm` does so beforehand"
            print(text, file=sys.stderr, flush=True)
        self.count += 1

    def on_end(self, event: Any) -> None:
        """Do nothing."""


COMPILATIONS = CompileCounter()
event.register("numba:compile", COMPILATIONS)  # type: ignore[no-untyped-call]
