"""A peer's environment: its own pins first, ours behind them; made again when it is not whole."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from benchmarks.peers import environment
from benchmarks.peers.environment import interpreter, versions

PACKAGE = "peer_of_a_test"


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    """Pins of one wheel that lies beside them."""
    wheel = tmp_path / f"{PACKAGE}-1.0-py3-none-any.whl"
    summary = f"{PACKAGE}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{PACKAGE}.py", "number = 1\n")
        archive.writestr("tqdm.py", "number = 2\n")
        archive.writestr(
            f"{summary}/METADATA",
            f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\nRequires-Dist: rich<1\n",
        )
        archive.writestr(f"{summary}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{summary}/RECORD", "")
    (tmp_path / "peer.txt").write_text(f"{wheel}\n")
    return tmp_path


def said_by(python: Path, code: str) -> str:
    command = [str(python), "-c", code]
    done = subprocess.run(
        command, env=environment.environment(), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_it_imports_its_own_pins_first_and_ours_behind_them(pins: Path, tmp_path: Path):
    python = interpreter("peer", pins, tmp_path / "peers")
    code = f"import {PACKAGE}, tqdm, numpy; print({PACKAGE}.number, tqdm.number)"
    assert said_by(python, code) == "1 2"


def test_a_whole_one_is_left_alone_and_another_is_made_again(pins: Path, tmp_path: Path):
    place = tmp_path / "peers"
    left = place / "peer" / "left"
    interpreter("peer", pins, place)
    left.touch()
    interpreter("peer", pins, place)
    assert left.exists()
    with (pins / "peer.txt").open("a") as file:
        file.write("# another pin\n")
    interpreter("peer", pins, place)
    assert not left.exists()
    left.touch()
    (place / "peer" / "whole").unlink()
    interpreter("peer", pins, place)
    assert not left.exists()


def test_pins_that_cannot_be_installed_leave_nothing_whole(tmp_path: Path):
    (tmp_path / "peer.txt").write_text(f"{tmp_path}/missing-1.0-py3-none-any.whl\n")
    with pytest.raises(subprocess.CalledProcessError):
        interpreter("peer", tmp_path, tmp_path / "peers")
    assert not (tmp_path / "peers" / "peer" / "whole").exists()


def test_every_peer_is_pinned():
    for file in environment.PINS.glob("*.txt"):
        pinned = versions(file.stem)
        assert pinned[file.stem]
        assert all(pinned.values())
