"""Functions compiled by numba, kept on disk apart for each state of the sources.

numba makes a kept function anew when its own file changes, but not when a file changes whose
functions it calls or whose constants it froze: after an update, old code would go on inside new. So
all that is kept lies in a directory that is named after the content of all files of the packages.
"""

import atexit
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba

CONFIG: Any = numba.config
F = TypeVar("F", bound=Callable[..., Any])
ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("filters", "manifests", "objectives", "pipelines")
STALE = 30 * 86_400
"""Seconds after whose last use the directory of another state of the sources is removed."""


def compiled(*, inline: bool = False) -> Callable[[F], F]:
    """Return the decorator of a compiled function: it runs without the GIL, and is kept on disk.

    Args:
        inline: put its body in the place of each call of another compiled function. A call that is
            not inlined costs as much as copying 50 tokens.
    """

    def decorate(function: F) -> F:
        how: Literal["always", "never"] = "always" if inline else "never"
        given, CONFIG.CACHE_DIR = CONFIG.CACHE_DIR, str(directory())
        try:  # numba looks for the directory once, when it decorates
            return cast(F, numba.njit(cache=True, nogil=True, inline=how)(function))
        finally:
            CONFIG.CACHE_DIR = given

    return decorate


@cache
def directory() -> Path:
    """Return where compiled functions are kept: below NUMBA_CACHE_DIR, or beside the packages.

    Where that cannot be written, in the user's cache directory, or else for this process alone.
    """
    places = [Path(CONFIG.CACHE_DIR)] if CONFIG.CACHE_DIR else []
    cached = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    places += [ROOT / "manifests" / "__pycache__", Path(cached) / "stackpile"]
    name = f"kernels-{state(ROOT)}"
    for place in places:
        with suppress(OSError):
            (place / name).mkdir(parents=True, exist_ok=True)
            os.utime(place / name)
            if os.access(place / name, os.W_OK):
                _remove_stale(place, name)
                return place / name
    own = Path(tempfile.mkdtemp(prefix="stackpile-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def state(root: Path) -> str:
    """Return 16 hexadecimal characters of what compiled functions may be made of."""
    found = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix().encode()
            found.update(name + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def _remove_stale(place: Path, name: str) -> None:
    for other in place.glob("kernels-*"):
        with suppress(OSError):
            if other.name != name and time.time() - other.stat().st_mtime > STALE:
                shutil.rmtree(other)
