"""The house: versions are pinned, the front door is light, .venv is made well."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
OURSELVES = {"stackpile", "pip"}
HEAVY = {"apache_beam", "datasketch", "licensedcode", "numba", "pyarrow", "tokenizers", "torch"}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_what_is_installed_is_pinned():
    pinned = pins()
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}
    wrong = {n: v for n, v in installed.items() if n not in OURSELVES and pinned.get(n) != v}
    assert not wrong, "not in constraints.txt at these versions"


def test_what_is_asked_for_is_pinned_within_its_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    asked = [Requirement(r) for r in [*project["dependencies"], *(r for e in extras for r in e)]]
    pinned = pins()
    for requirement in asked:
        if requirement.name != "stackpile":
            version = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement}: pinned at {version}"


def test_help_loads_nothing_heavy():
    code = (
        "import json, sys, stackpile\n"
        "sys.argv = ['stackpile', '--help']\n"
        "try:\n    stackpile.main()\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "prepare" in done.stdout
    assert not HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/venv", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make_venv(clone: Path, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("bash") or "bash", "scripts/venv"],
        cwd=clone,
        env={"PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def only(clone: Path, *tools: str) -> str:
    """A PATH with these tools and no Python."""
    (clone / "tools").mkdir()
    for tool in tools:
        os.symlink(shutil.which(tool) or "", clone / "tools" / tool)
    return str(clone / "tools")


def fake_python(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_without_a_python_it_says_so(clone: Path):
    done = make_venv(clone, only(clone, "cat", "cmp", "dirname"))
    assert done.returncode == 1
    assert re.fullmatch(r"venv: Python 3\.11, 3\.12 or 3\.13 .*\n", done.stderr)


def test_a_whole_venv_is_left_alone_and_a_changed_pin_makes_it_again(clone: Path):
    path = only(clone, "cat", "cmp", "dirname")
    fake_python(clone / ".venv/bin/python", "exit 0")
    made_from = (clone / "pyproject.toml").read_bytes() + (clone / "constraints.txt").read_bytes()
    (clone / ".venv/whole").write_bytes(made_from)
    done = make_venv(clone, path)
    assert (done.returncode, done.stdout) == (0, "")
    with (clone / "constraints.txt").open("a") as constraints:
        constraints.write("another==1\n")
    assert make_venv(clone, path).returncode == 1


def test_a_venv_broken_off_half_way_is_made_again(clone: Path):
    path = only(clone, "bash", "cat", "cmp", "dirname", "rm", "sed", "mkdir", "cp", "chmod")
    (clone / ".venv").mkdir()
    (clone / ".venv/leftover").touch()
    # Stands for Python: checks nothing, makes the environment's directory, installs nothing.
    fake = 'if [ "$2" = venv ]; then mkdir -p .venv/bin; cp "$0" .venv/bin/python; fi; exit 0'
    fake_python(clone / "python", fake)
    done = make_venv(clone, path, PYTHON=str(clone / "python"))
    assert done.returncode == 0, done.stderr
    assert (clone / ".venv/whole").exists()
    assert not (clone / ".venv/leftover").exists()
    assert make_venv(clone, path).stdout == ""
