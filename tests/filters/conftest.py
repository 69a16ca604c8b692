"""Real text without a download: source files of Python's own standard library."""

import sysconfig
from pathlib import Path

import pyarrow as pa
import pytest


@pytest.fixture(scope="session")
def real_texts() -> pa.Array:
    """Sixty files of the standard library."""
    directory = Path(sysconfig.get_path("stdlib"))
    paths = [*sorted(directory.glob("*.py")), *sorted(directory.glob("encodings/*.py"))][::5][:60]
    return pa.array([path.read_text("utf-8") for path in paths], pa.large_string())
