"""Beam's Spark job server as a jar, which Maven fetches once into a cache.

The jar is the one that Beam publishes, at the version of the Python SDK. If the repository does
not have it, its parts are fetched, and a jar is written that names them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

POM = Path(__file__).parent / "spark_job_server.pom"
JAR = "job-server.jar"
MAIN = "org.apache.beam.runners.spark.SparkJobServerDriver"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
"""The user's cache: tests run with a cache of their own, which would not keep the jar."""

OPENED = (
    "java.io java.lang java.lang.invoke java.lang.reflect java.net java.nio java.util "
    "java.util.concurrent java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action "
    "sun.util.calendar"
)
"""Packages of java.base that Spark 3 accesses (source: Spark's JavaModuleOptions)."""


def job_server_jar() -> Path:
    """Return the jar; skip the test, with the name of the missing tool, if there is none."""
    for tool, needed in (("java", "Java 17"), ("mvn", "Maven")):
        if shutil.which(tool) is None:
            pytest.skip(f"the Spark tests need {needed}, and there is no `{tool}`")
    beam = version("apache-beam")
    parts = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    place = CACHE / "stackpile" / f"spark-job-server-{beam}-{parts}"
    if not (place / JAR).exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
            made = Path(temporary, "made")
            _fetch(beam, made)
            _put(made, place)
    return place / JAR


def _put(made: Path, place: Path) -> None:
    """Rename a directory to its place, unless another process was faster."""
    try:
        made.rename(place)
    except OSError:
        assert (place / JAR).exists()


def _fetch(beam: str, directory: Path) -> None:
    """Fetch the jar of a version of Beam, or its parts, into a directory."""
    whole = f"org.apache.beam:beam-runners-spark-3-job-server:{beam}"
    if not _maven("dependency:copy", f"-Dartifact={whole}", f"-DoutputDirectory={directory}"):
        next(directory.glob("*.jar")).rename(directory / JAR)
        return
    places = [f"-DoutputDirectory={directory}", "-DincludeScope=runtime"]
    error = _maven("-f", str(POM), "dependency:copy-dependencies", *places)
    if error:
        pytest.skip(f"the Spark tests need Beam's Spark job server, and Maven says: {error}")
    _write_naming_jar(directory)


def _maven(*arguments: str) -> str:
    """Run Maven, and return "" or its error message."""
    done = subprocess.run(
        ["mvn", "-B", "-q", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
    return re.sub(r"\x1b\[[0-9;]*m", "", lines[0] if lines else f"exit code {done.returncode}")


def _write_naming_jar(directory: Path) -> None:
    names = sorted(path.name for path in directory.glob("*.jar"))
    headers = {
        "Manifest-Version": "1.0",
        "Main-Class": MAIN,
        "Add-Opens": " ".join(f"java.base/{package}" for package in OPENED.split()),
        "Class-Path": " ".join(names),
    }
    with zipfile.ZipFile(directory / JAR, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", manifest(headers))


def manifest(headers: dict[str, str]) -> str:
    """Return the manifest of a jar: lines of at most 72 bytes, continued after a space."""
    return "".join(_header(f"{name}: {value}") for name, value in headers.items())


def _header(line: str) -> str:
    first, rest = line[:70], line[70:]
    more: Sequence[str] = [rest[i : i + 69] for i in range(0, len(rest), 69)]
    return "\r\n ".join([first, *more]) + "\r\n"


if __name__ == "__main__":
    print(job_server_jar())
