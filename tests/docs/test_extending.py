"""docs/extending.md: the examples of the page work as they stand in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
PACKAGES = ("filters", "manifests", "objectives", "pipelines", "trainer", "tests")
BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:New file|In) `([^`]+)`:$", re.MULTILINE)


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield the path, the kind and the content of each block of the page."""
    text = PAGE.read_text()
    for block in BLOCK.finditer(text):
        yield PATH.findall(text[: block.start()])[-1], block[1], block[2]


def apply_diff(path: Path, diff: str) -> None:
    """Make a change of the page: its lines with a space or a minus must be in the file, once."""
    lines = [(line[:1], line[1:] + "\n") for line in diff.splitlines()]
    old = "".join(line for sign, line in lines if sign != "+")
    new = "".join(line for sign, line in lines if sign != "-")
    content = path.read_text()
    assert content.count(old) == 1, f"{path}: does not have these lines once:\n{old}"
    path.write_text(content.replace(old, new))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with all examples of the page."""
    copy = tmp_path_factory.mktemp("extended")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "stackpile.py"):
        shutil.copy(ROOT / name, copy / name)
    for path, kind, content in blocks():
        if kind == "diff":
            apply_diff(copy / path, content)
        else:
            assert not (copy / path).exists(), f"{path} exists already"
            (copy / path).write_text(content)
    return copy


def run(extended: Path, *command: str) -> None:
    """Run a Python module in the copy."""
    environment = os.environ | {"PYTHONPATH": str(extended)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=extended,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_the_tests_of_the_page_pass(extended: Path) -> None:
    tests = [path for path, _, _ in blocks() if path.startswith("tests/")]
    assert len(tests) == 6
    names = " or ".join(Path(path).stem.removeprefix("test_") for path in tests)
    general = ["tests/objectives/test_every_objective.py", "tests/trainer/models/test_layers.py"]
    run(
        extended, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests, *general, "-k", names
    )


def test_the_examples_follow_the_rules_of_the_linter(extended: Path) -> None:
    paths = sorted({path for path, _, _ in blocks()})
    run(extended, "ruff", "check", "--no-cache", *paths)
    run(extended, "ruff", "format", "--no-cache", "--check", *paths)
