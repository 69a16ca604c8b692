"""The cache of compiled functions never serves code of other sources."""

import os
import subprocess
import sys
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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree in which a compiled function calls another, which freezes a third file's constant."""
    for package in ("filters", "manifests/prng"):
        (tmp_path / package).mkdir(parents=True)
    (tmp_path / "manifests/prng/jit.py").write_text(Path(jit.__file__).read_text())
    (tmp_path / "filters/outer.py").write_text(OUTER.format(imported="inner"))
    (tmp_path / "filters/inner.py").write_text(INNER)
    (tmp_path / "filters/constant.py").write_text("OFFSET = 1\n")
    (tmp_path / "filters/unrelated.py").write_text("OFFSET = 1\n")
    return tmp_path


def outer(copy: Path, edited: str, old: str, new: str) -> int:
    """The result of the compiled function of 1, after an edit that keeps the file's time."""
    path = copy / edited
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, (0, 0))
    return int(run(copy).stdout)


def run(copy: Path) -> "subprocess.CompletedProcess[str]":
    """Call the compiled function in a process of its own."""
    code = "from filters.outer import outer; print(outer(1))"
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=copy,
        env={**variables, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )


def directories(copy: Path) -> set[Path]:
    return set(copy.glob("manifests/__pycache__/kernels-*"))


def test_an_edited_function_is_compiled_again_into_its_callers(copy):
    assert outer(copy, "filters/inner.py", "", "") == 2
    assert outer(copy, "filters/inner.py", "x + OFFSET", "x * 7") == 7


def test_an_edited_constant_of_an_indirect_import_is_compiled_again(copy):
    assert outer(copy, "filters/constant.py", "", "") == 2
    assert outer(copy, "filters/constant.py", "1", "8") == 9


def test_a_file_that_is_not_imported_leaves_the_cache_valid(copy):
    outer(copy, "filters/unrelated.py", "", "")
    before = directories(copy)
    outer(copy, "filters/unrelated.py", "1", "2")
    assert directories(copy) == before
    assert len(before) == 2  # outer.py and inner.py


def test_a_process_that_compiles_says_so_once(copy):
    message = "compiling kernels, once for each version; `stackpile warm` does so beforehand\n"
    assert run(copy).stderr == message
    assert run(copy).stderr == ""


def test_directories_that_were_not_used_for_long_are_removed(copy):
    outer(copy, "filters/constant.py", "", "")
    unused = directories(copy)
    for directory in unused:
        os.utime(directory, (0, 0))
    outer(copy, "filters/constant.py", "1", "2")
    assert len(directories(copy)) == 2
    assert not directories(copy) & unused
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
