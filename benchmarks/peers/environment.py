"""Make the environment of a peer whose packages conflict with ours: `.peers/NAME`, from NAME.txt.

NAME.txt beside this module pins the peer and every package that it needs at another version than
ours. It is installed alone, without what it depends on; what it does not name is imported from the
environment that runs the benchmark, whose versions constraints.txt holds.
"""

import fcntl
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from benchmarks.claims import ROOT, say

PINS = Path(__file__).parent
PLACE = ROOT / ".peers"


def interpreter(name: str, pins: Path = PINS, place: Path = PLACE) -> Path:
    """Return the Python of a peer's environment; make the environment unless it is complete.

    The file `whole`, written last, holds what the environment was made from, as in scripts/venv:
    one that was broken off half-way, or made from other pins, is made again from nothing. Two calls
    at once wait for each other.

    Raises:
        subprocess.CalledProcessError: pip failed, and has said why on stderr.
    """
    pinned = pins / f"{name}.txt"
    home = place / name
    python = home / "bin" / "python"
    made_from = f"{pinned.read_text()}\n# {sys.version} {_ours()}\n"
    place.mkdir(exist_ok=True)
    with (place / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole = home / "whole"
        if not (python.exists() and whole.exists() and whole.read_text() == made_from):
            say(f"peers: making {home.name} from {pinned.name}")
            _make(home, python, pinned)
            whole.write_text(made_from)
    return python


def environment() -> dict[str, str]:
    """Return the environment variables of a peer: ours without those that name our packages."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def ask(name: str, module: str, *arguments: str, **variables: str) -> Any:
    """Run a module of benchmarks/peers and return the JSON value that it prints last.

    Args:
        name: of the peer: in its own environment where it has one, else beside our packages.
        module: in benchmarks/peers.
        arguments: of its command line.
        variables: of its environment, beside the usual ones.

    Raises:
        RuntimeError: the module failed; the message is its stderr.
    """
    alone = (PINS / f"{name}.txt").exists()
    python = str(interpreter(name)) if alone else sys.executable
    done = subprocess.run(
        [python, "-m", f"benchmarks.peers.{module}", *arguments],
        cwd=ROOT,
        env={**(environment() if alone else os.environ), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def versions(name: str, pins: Path = PINS) -> dict[str, str]:
    """Return the versions that a peer's NAME.txt pins, by package."""
    lines = (pins / f"{name}.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {package: number for package, number in pairs}


def _make(home: Path, python: Path, pinned: Path) -> None:
    venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)]
    subprocess.run(venv, check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "-r", str(pinned)]
    subprocess.run(install, check=True, stdout=sys.stderr)
    # A path file's directories come after the environment's own: the peer's pins go first.
    [site] = home.glob("lib/python*/site-packages")
    (site / "ours.pth").write_text(f"{_ours()}\n")


def _ours() -> str:
    return sysconfig.get_path("purelib")
