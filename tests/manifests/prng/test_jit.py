"""Compiled functions: what is kept is of the sources as they are."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from manifests.prng import jit as module
from manifests.prng.jit import STALE, compiled, state
from manifests.prng.splitmix_kernels import subset

INNER = "from manifests.prng.jit import compiled\n@compiled()\ndef inner(x):\n    return x + {}\n"
OUTER = (
    "from manifests.prng.jit import compiled\nfrom filters.inner import inner\n"
    "@compiled()\ndef outer(x):\n    return inner(x)\n"
)


@pytest.fixture
def copy(tmp_path):
    """Packages of which one has a compiled function that calls another's."""
    for package in module.PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "filters/outer.py").write_text(OUTER)
    source = Path(module.__file__).read_text()
    (tmp_path / "manifests/prng/jit.py").write_text(source)
    return tmp_path


def outer(copy: Path, number: int) -> int:
    (copy / "filters/inner.py").write_text(INNER.format(number))
    os.utime(copy / "filters/inner.py", (0, 0))
    code = "from filters.outer import outer; print(outer(1))"
    command = [sys.executable, "-c", code]
    variables = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        command, cwd=copy, env=variables, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_changed_function_is_seen_by_those_that_call_it(copy):
    assert outer(copy, 1) == 2
    assert outer(copy, 5) == 6
    assert len(list(copy.glob("manifests/__pycache__/kernels-*"))) == 2


def test_the_directory_of_an_old_state_goes(copy):
    outer(copy, 1)
    (old,) = copy.glob("manifests/__pycache__/kernels-*")
    os.utime(old, (0, 0))
    outer(copy, 2)
    (new,) = copy.glob("manifests/__pycache__/kernels-*")
    assert new != old
    assert STALE > 3600


def test_a_constant_of_another_file_counts_too(copy):
    """It is frozen into what is compiled."""
    (copy / "filters/plain.py").write_text("x = 1\n")
    before = state(copy)
    (copy / "filters/plain.py").write_text("x = 2\n")
    assert state(copy) != before


def test_where_nothing_can_be_written_each_process_compiles_for_itself(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(module, "ROOT", tmp_path / "file")
    monkeypatch.setattr(module.CONFIG, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = module.directory.__wrapped__()
    assert found.is_dir()
    assert tmp_path not in found.parents
    found.rmdir()


def test_functions_are_compiled_kept_and_without_the_lock():
    kernel: Any = subset
    assert isinstance(kernel, numba.core.dispatcher.Dispatcher)
    assert kernel.targetoptions["nogil"]
    assert "kernels-" in str(kernel.stats.cache_path)
    plain: Any = compiled(inline=True)(lambda x: x)
    assert plain.targetoptions["inline"] == "always"
