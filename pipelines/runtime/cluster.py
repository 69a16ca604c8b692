"""The machines of an engine, and Beam's options that let a job use all their cores."""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
)

PARTITIONS = 2
"""Partitions of a shuffle for each core (published: 2 to 3 tasks for each core, Tuning Spark,
level of parallelism)."""

CACHE_MILLIS = 60_000
"""Milliseconds for which an idle worker process waits for the next stage (ours: a process takes
seconds to import its modules; by default each stage starts new ones)."""

LOCAL_MASTER = re.compile(r"local(?:\[(\d+|\*)\])?")
"""Spark's master inside the job server, with its number of threads."""


@dataclass(frozen=True)
class Cluster:
    """The machines that an engine uses; None where the command line does not say."""

    workers: int | None = None
    """Number of machines, or of executors."""
    cores: int | None = None
    """Cores of each."""
    image: str | None = None
    """Container image of Beam's workers, with Stackpile installed."""


class Settings(NamedTuple):
    """Beam's options that follow from the machines, and what the command cannot set."""

    options: list[str]
    elsewhere: list[str]
    """What must be set elsewhere, one clause each."""


def settings(engine: str, given: Sequence[str], cluster: Cluster) -> Settings:
    """Return the options of an engine for its machines, without the options that are given.

    Args:
        engine: Beam's name of the engine.
        given: Beam's options of the command line.
        cluster: the machines.
    """
    options = PipelineOptions(list(given))
    if engine == "SparkRunner":
        cluster = _spark_cluster(options, cluster)
    chosen = _image(engine, cluster.image)
    elsewhere: list[str] = []
    if engine == "SparkRunner":
        # Spark reads in one partition unless the graph is optimized before it is handed over.
        chosen["pre_optimize"] = "--experiments=pre_optimize=all"
    if not cluster.workers or not cluster.cores:
        elsewhere.append("--workers and --cores, without which some of them may idle")
    elif engine == "DataflowRunner":
        chosen |= _options("num_workers", cluster.workers)
        chosen |= _options("max_num_workers", cluster.workers)
        # Dataflow starts a process for each core, and a row keeps a core busy.
        chosen |= _options("number_of_worker_harness_threads", 1)
        elsewhere.append(f"--machine_type, which has the {cluster.cores} cores")
    else:
        chosen |= _options("sdk_worker_parallelism", cluster.cores)
        chosen |= _options("environment_cache_millis", CACHE_MILLIS)
        if _is_loopback(engine, options) and "--sdk_worker_parallelism=1" not in given:
            # Beam starts such processes by the first `python` of PATH.
            if _runs_this_python("python"):
                experiment = "use_loopback_process_worker"
                chosen[experiment] = f"--experiments={experiment}"
            else:
                elsewhere.append("`python` of PATH, by which Beam starts worker processes")
        slots = cluster.workers * cluster.cores
        if engine == "FlinkRunner":
            chosen |= _options("parallelism", slots)
        if engine == "SparkRunner":
            name = "spark.default.parallelism"
            value = f"{name}={PARTITIONS * slots}"
            if _starts_job_server(options):
                chosen[name] = f"--job_server_jvm_properties=-D{value}"
            else:
                elsewhere.append(f"{value}, by the job server or by spark-submit --conf")
    free = [text for name, text in chosen.items() if not any(name in option for option in given)]
    return Settings(free, elsewhere)


def _options(name: str, value: int) -> dict[str, str]:
    return {f"--{name}": f"--{name}={value}"}


def _image(engine: str, image: str | None) -> dict[str, str]:
    """Return the options that run workers in a container image."""
    if image is None:
        return {}
    names = (
        ("--sdk_container_image", "--sdk_location")
        if engine == "DataflowRunner"
        else ("--environment_config", "--environment_type")
    )
    kind = "container" if engine == "DataflowRunner" else "DOCKER"
    return {name: f"{name}={value}" for name, value in zip(names, (image, kind), strict=True)}


def _spark_cluster(options: PipelineOptions, cluster: Cluster) -> Cluster:
    """Return the machines of Spark: a master in the job server is one machine with its threads."""
    match = LOCAL_MASTER.fullmatch(options.view_as(SparkRunnerOptions).spark_master_url)
    if not match or not _starts_job_server(options):
        return cluster
    threads = (os.cpu_count() or 1) if match[1] == "*" else int(match[1] or 1)
    return replace(cluster, workers=1, cores=threads)


def _is_loopback(engine: str, options: PipelineOptions) -> bool:
    """Tell whether Beam starts the workers on this machine."""
    portable = options.view_as(PortableOptions)
    if portable.environment_type or portable.output_executable_path:
        return bool(portable.environment_type == "LOOPBACK")
    master = options.view_as(SparkRunnerOptions).spark_master_url
    return {
        "FlinkRunner": options.view_as(FlinkRunnerOptions).flink_master in ("[local]", "[auto]"),
        "PrismRunner": True,
        "SparkRunner": LOCAL_MASTER.fullmatch(master) is not None,
    }.get(engine, False)


def _runs_this_python(name: str) -> bool:
    """Tell whether a program of PATH is the interpreter that runs this command."""
    path = shutil.which(name)
    # Links are not followed: they lead out of a virtual environment.
    return path is not None and os.path.dirname(path) == os.path.dirname(sys.executable)


def _starts_job_server(options: PipelineOptions) -> bool:
    """Tell whether the job runs in or under a JVM that Beam starts for this command."""
    portable = options.view_as(PortableOptions)
    elsewhere = portable.job_endpoint or portable.output_executable_path
    return not elsewhere and not options.view_as(SparkRunnerOptions).spark_submit_uber_jar
