"""A Spark standalone master and two workers on this computer, each as if it were a machine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from tests.engines.job_server import OPENED

ROOT = Path(__file__).parents[2]

BOOT = """#!/bin/sh
exec {python} -m tests.engines.boot "$@"
"""


@dataclass(frozen=True)
class SparkCluster:
    """The cluster, and what Beam and spark-submit need to reach it."""

    directory: Path
    jars: Path
    master: str

    @property
    def options(self) -> list[str]:
        """Beam's options for a job whose workers are processes of the machines."""
        command = json.dumps({"command": str(self.directory / "boot")})
        return [
            f"--spark_master_url={self.master}",
            "--environment_type=PROCESS",
            f"--environment_config={command}",
        ]

    def submit(self, jar: Path, parallelism: int) -> None:
        """Run a jar as spark-submit does: the script only finds Java and calls this class.

        Beam's classes lie among Spark's jars here, so the class loader that has them must see the
        pipeline in the jar, too.
        """
        subprocess.run(
            [
                *java(jar, self.jars / "*"),
                "org.apache.spark.deploy.SparkSubmit",
                *("--master", self.master),
                *("--conf", f"spark.default.parallelism={parallelism}"),
                *("--class", "org.apache.beam.runners.spark.SparkPipelineRunner"),
                str(jar),
            ],
            check=True,
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
        )


def java(*classes: Path) -> list[str]:
    """Return the command that runs a class of Spark."""
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED.split()]
    return ["java", "-Xmx512m", *opened, "-cp", os.pathsep.join(map(str, classes))]


@contextmanager
def spark_cluster(
    directory: Path, jars: Path, cores: int, environment: Mapping[str, str] | None = None
) -> Iterator[SparkCluster]:
    """Run a master and the workers `a` and `b`.

    Args:
        directory: an empty directory.
        jars: the directory of the job server's and Spark's jars.
        cores: cores of each worker.
        environment: variables of the workers, such as SHARED_PATH.
    """
    home = directory / "spark"
    home.mkdir()
    (home / "jars").symlink_to(jars)
    (home / "RELEASE").write_text("Spark 3.5.0\n")
    boot = directory / "boot"
    boot.write_text(BOOT.format(python=sys.executable))
    boot.chmod(0o755)
    port, web = free_port(), free_port()
    common = {
        **os.environ,
        **(environment or {}),
        "ENGINES_DIRECTORY": str(directory),
        "PYTHONPATH": str(ROOT),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SCALA_VERSION": "2.12",
    }
    cluster = SparkCluster(directory, jars, f"spark://127.0.0.1:{port}")

    with ExitStack() as stack:

        def start(name: str, role: str, *arguments: str) -> None:
            log = stack.enter_context((directory / f"{name}.log").open("wb"))
            command = [*java(jars / "*"), f"org.apache.spark.deploy.{role}", *arguments]
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=common | {"MACHINE": name}
            )
            stack.callback(stop, process)

        ports = ("--host", "127.0.0.1", "--port", str(port), "--webui-port", str(web))
        start("master", "master.Master", *ports)
        wait_for_workers(web, 0)
        for name in "ab":
            work = str(directory / f"work-{name}")
            size = ("--cores", str(cores), "--memory", "1g", "--work-dir", work)
            start(name, "worker.Worker", *size, "--webui-port", str(free_port()), cluster.master)
        wait_for_workers(web, 2)
        yield cluster


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process of the cluster."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_workers(web: int, number: int) -> None:
    """Wait until the master's page lists so many workers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{web}/json/") as page:
            if json.load(page)["aliveworkers"] >= number:
                return
        time.sleep(0.2)
    raise TimeoutError(f"Spark's master did not list {number} workers within a minute")


def can_unshare() -> bool:
    """Tell whether this process may give others a mount namespace of their own."""
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    )
