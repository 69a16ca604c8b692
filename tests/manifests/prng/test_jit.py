"""The cache of compiled functions never serves code of other sources."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import pytest

from manifests.prng import jit
from manifests.prng.jit import STALE, cache_directory, compiled
from manifests.prng.splitmix import subset

OUTER = (
    "from manifests.prng.jit import compiled\n"
    "from filters.{imported} import (\n    inner,\n)\n"
    "@compiled()\ndef outer(x):\n    return inner(x)\n"
)
INNER = (
    "from manifests.prng.jit import compiled\nfrom filters import constant\n"
    "OFFSET = constant.OFFSET\n"
    "@compiled()\ndef inner(x):\n    return x + OFFSET\n"
)


RUNS = """
import os, sys
import numba
numba.njit(lambda x: x)(1)
for line in sys.stdin:
    directory = line.rstrip()
    child = os.fork()
    if child == 0:
        os.chdir(directory)
        sys.path.insert(0, directory)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        from filters.outer import outer
        print(outer(1), flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Call the compiled function of each directory named on stdin, in a process of its own that has
imported no module of ours, but numba, which takes a second to compile its first function. Print
the exit code."""


class Copy:
    """A tree in which a compiled function calls another, which freezes a third file's constant."""

    def __init__(self, path: Path, runs: "subprocess.Popen[str]") -> None:
        """Write the tree."""
        self.path, self._runs = path, runs
        for package in ("filters", "manifests/prng"):
            (path / package).mkdir(parents=True)
        (path / "manifests/prng/jit.py").write_text(Path(jit.__file__).read_text())
        (path / "filters/outer.py").write_text(OUTER.format(imported="inner"))
        (path / "filters/inner.py").write_text(INNER)
        (path / "filters/constant.py").write_text("OFFSET = 1\n")
        (path / "filters/unrelated.py").write_text("OFFSET = 1\n")

    def edit(self, edited: str, old: str, new: str) -> None:
        """Edit a file and keep its time."""
        path = self.path / edited
        path.write_text(path.read_text().replace(old, new))
        os.utime(path, (0, 0))

    def run(self) -> tuple[int, str]:
        """Call the compiled function of 1; return its result and what is said on stderr."""
        assert self._runs.stdin and self._runs.stdout
        print(self.path, file=self._runs.stdin, flush=True)
        assert self._runs.stdout.readline() == "0\n", (self.path / "stderr").read_text()
        return int((self.path / "stdout").read_text()), (self.path / "stderr").read_text()

    def outer(self, edited: str, old: str, new: str) -> int:
        """Return the result of the compiled function of 1 after an edit."""
        self.edit(edited, old, new)
        return self.run()[0]

    def directories(self) -> set[Path]:
        """Return the cache directories."""
        return set(self.path.glob("manifests/__pycache__/kernels-*"))


@pytest.fixture(scope="module")
def runs() -> Iterator["subprocess.Popen[str]"]:
    """The process of RUNS."""
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    with subprocess.Popen(
        [sys.executable, "-c", RUNS],
        env={**variables, "PYTHONPATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def copy(tmp_path: Path, runs: "subprocess.Popen[str]") -> Copy:
    return Copy(tmp_path, runs)


def test_an_edited_function_is_compiled_again_into_its_callers(copy):
    assert copy.outer("filters/inner.py", "", "") == 2
    assert copy.outer("filters/inner.py", "x + OFFSET", "x * 7") == 7


def test_an_edited_constant_of_an_indirect_import_is_compiled_again(copy):
    assert copy.outer("filters/constant.py", "", "") == 2
    assert copy.outer("filters/constant.py", "1", "8") == 9


def test_a_file_that_is_not_imported_leaves_the_cache_valid(copy):
    copy.outer("filters/unrelated.py", "", "")
    before = copy.directories()
    copy.outer("filters/unrelated.py", "1", "2")
    assert copy.directories() == before
    assert len(before) == 2  # outer.py and inner.py


def test_a_process_that_compiles_says_so_once(copy):
    message = "compiling kernels, once for each version; `stackpile warm` does so beforehand\n"
    assert copy.run() == (2, message)
    assert copy.run() == (2, "")


def test_directories_that_were_not_used_for_long_are_removed(copy):
    copy.outer("filters/constant.py", "", "")
    unused = copy.directories()
    for directory in unused:
        os.utime(directory, (0, 0))
    copy.outer("filters/constant.py", "1", "2")
    assert len(copy.directories()) == 2
    assert not copy.directories() & unused
    assert STALE > 3600


def test_where_nothing_can_be_written_each_process_compiles_for_itself(tmp_path):
    (tmp_path / "file").touch()
    directory = cache_directory("0" * 16, (tmp_path / "file",))
    assert directory.is_dir()
    assert tmp_path not in directory.parents
    directory.rmdir()


def test_functions_are_compiled_cached_and_run_without_the_gil():
    kernel: Any = subset
    assert isinstance(kernel, numba.core.dispatcher.Dispatcher)
    assert kernel.targetoptions["nogil"]
    assert "kernels-" in str(kernel.stats.cache_path)
    plain: Any = compiled(inline=True)(lambda x: x)
    assert plain.targetoptions["inline"] == "always"
