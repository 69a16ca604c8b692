"""Engines: the runner of a job, and Beam's options for it."""

import argparse
import contextlib
import errno
import io
import logging
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from manifests.cores import usable_cores
from manifests.errors import DataError, HandedOver, StackpileError, UsageError
from manifests.io.digest import short_digest
from pipelines.runtime.beam_options import (
    LocalOptions,
    check_engine,
    check_options,
    handed_over,
)
from pipelines.runtime.cluster import Cluster, settings
from pipelines.runtime.quiet import quiet

IN_PROCESS = "FnApiRunner"
"""Beam's name for its engine in this process."""

ENGINES = {
    "dataflow": "DataflowRunner",
    "flink": "FlinkRunner",
    "local": IN_PROCESS,
    "prism": "PrismRunner",
    "spark": "SparkRunner",
}
"""Short name of an engine -> Beam's name."""


@dataclass(frozen=True)
class Runner:
    """An engine by Beam's name, and Beam's own options for it.

    The default is FnApiRunner, in this process, because Beam's own default first tries to download
    a binary. Worker processes beneath it do the rows of a step, one process for each core by
    default.
    """

    name: str = IN_PROCESS
    options: tuple[str, ...] = ()
    threads: bool = False
    """Whether the in-process engine's workers are threads: see `threaded`."""
    cluster: Cluster = field(default_factory=Cluster)
    """The machines of the engine."""

    def threaded(self) -> Self:
        """Return the same engine with threads as workers, for compiled code without the GIL.

        A worker process holds about 200 MB (Arrow and numba once more) and takes seconds to start,
        and shuffled data would be held by the engine, by the pipe and by the worker. Threads share
        memory. Other engines do not change.
        """
        return replace(self, threads=True)

    def workers(self, parts: int) -> int:
        """Return the number of workers of the in-process engine for so many parts.

        The default is the number of cores, but no more than there are parts.
        """
        cores = self.cluster.cores or usable_cores()
        number = self._parsed[0].direct_num_workers
        return min(cores, parts) if number is None else number or cores

    def processes(self, parts: int) -> int:
        """Return the number of worker processes beneath the engine; 1 for none."""
        ours = self.in_process and not self.threads and not self._parsed[0].direct_running_mode
        return min(self.workers(parts), parts) if ours else 1

    def arguments(self, parts: int) -> list[str]:
        """Return Beam's options for a job over so many parts."""
        if self.in_process:
            threads = 1 if self.processes(parts) > 1 else self.workers(parts)
            return [*self._parsed[1], f"--direct_num_workers={threads}"]
        chosen = settings(self.name, self.options, self.cluster)
        return [*self.options, f"--runner={self.name}", *chosen.options]

    @property
    def notice(self) -> str:
        """What was set for the machines of the engine and what was not; "" for this process."""
        if self.in_process:
            return ""
        chosen = settings(self.name, self.options, self.cluster)
        missing = f"; not set: {'; '.join(chosen.elsewhere)}" if chosen.elsewhere else ""
        return f"{self.name}: {' '.join(chosen.options) or 'options as given'}{missing}"

    @property
    def _parsed(self) -> tuple[argparse.Namespace, list[str]]:
        """Beam's options for the workers of the in-process engine, and all options but the first.

        With a running mode of Beam's there are no worker processes of ours.
        """
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--direct_num_workers", type=int)
        parser.add_argument("--direct_running_mode")
        known, others = parser.parse_known_args(self.options)
        mode = known.direct_running_mode
        return known, [*others, *([f"--direct_running_mode={mode}"] if mode else [])]

    @property
    def in_process(self) -> bool:
        """Whether it is Beam's engine in this process."""
        return self.name == IN_PROCESS

    def engine(self) -> Any:
        """Return the engine for a pipeline; None where Beam finds it by its name."""
        return FnApiRunner() if self.in_process else None


@dataclass(frozen=True)
class Work:
    """What a pipeline does, for its name and its messages."""

    label: str
    """The step."""
    directory: str
    """The step's directory."""
    parts: int
    """Number of parts, from which the number of workers follows."""

    @property
    def name(self) -> str:
        """Name of the pipeline that engines show, the same whenever the step is repeated."""
        label = self.label.replace("_", "-")
        return f"stackpile-{label}-{short_digest([self.directory])[:8]}"


def open_runner(name: str | None, options: Sequence[str], cluster: Cluster | None = None) -> Runner:
    """Return an engine of the command line.

    Args:
        name: a name of ENGINES, or Beam's name; None for Beam's engine in this process.
        options: Beam's own options.
        cluster: the machines of the engine.

    Raises:
        UsageError: Beam does not know the engine, or neither Beam nor its job server knows an
            option.
    """
    cluster, name = cluster or Cluster(), name or "local"
    runner = Runner(ENGINES.get(name, name), tuple(options), cluster=cluster)
    if runner.in_process and (cluster.image or (cluster.workers or 1) > 1):
        raise UsageError("--workers and --image: the local engine runs on this machine alone")
    with quiet(), quiet("apache_beam", logging.CRITICAL):
        pipeline = _pipeline(runner, 1)
        shutil.rmtree(pipeline.local_tempdir, ignore_errors=True)  # which running it would remove
        check_options(pipeline, runner.options)
    return runner


def run(runner: Runner, work: Work, build: Callable[[beam.Pipeline], object]) -> None:
    """Build a pipeline, run it, and wait for its end.

    An engine's word that a pipeline is done proves nothing; callers look for what it wrote.

    Args:
        runner: the engine.
        work: what the pipeline does.
        build: adds the transforms to the pipeline.

    Raises:
        UsageError: Beam does not know the engine, or a worker cannot use the config.
        DataError: the job failed; the message is the worker's own sentence.
        HandedOver: the engine wrote the job instead of running it.
    """
    with quiet(), quiet("apache_beam", logging.CRITICAL):
        pipeline = _pipeline(runner, work.parts)
        _label(pipeline.options, work)
        build(pipeline)
        state = _run(pipeline)
    if state not in (None, "DONE"):
        raise DataError(f"{runner.name}: the job ended as {state}")
    if instead := handed_over(runner.name, pipeline.options):
        done, next_step = instead
        raise HandedOver(
            f"{work.directory}: {work.label} is not done: {runner.name} {done}; {next_step}, "
            "then repeat this command, which checks every part and goes on"
        )


def _pipeline(runner: Runner, parts: int) -> beam.Pipeline:
    """Return an empty pipeline of an engine; UsageError if Beam refuses an option."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            kind = LocalOptions if runner.in_process else PipelineOptions
            options = kind(runner.arguments(parts))
            pipeline = beam.Pipeline(runner=runner.engine(), options=options)
    except SystemExit:  # of argparse, after the usage of all options
        reason = stderr.getvalue().strip().rpartition("error: ")[2]
        raise UsageError(f"{runner.name}: {reason}") from None
    except (AttributeError, ImportError, ValueError) as error:
        raise UsageError(f"{runner.name}: {error}") from None
    check_engine(runner.name, runner.in_process, options)
    return pipeline


def _label(options: PipelineOptions, work: Work) -> None:
    """Name a pipeline, unless the user did, and label it for Dataflow's list and bills."""
    cloud = options.view_as(GoogleCloudOptions)
    cloud.job_name = cloud.job_name or work.name
    if cloud.project:
        cloud.labels = [*(cloud.labels or []), f"stackpile={work.label}"]


def _run(pipeline: beam.Pipeline) -> str | None:
    """Run a pipeline, and return its last state; None if the engine does not tell it."""
    try:
        result = pipeline.run()
        try:
            state: str | None = result.wait_until_finish()
        except KeyboardInterrupt:
            with contextlib.suppress(Exception):  # not every engine can cancel
                result.cancel()
            raise
    except Exception as error:
        # The in-process engine raises another exception while it handles the worker's.
        if isinstance(error.__context__, StackpileError | OSError | KeyboardInterrupt):
            raise error.__context__ from None
        raise _cause(error) from error
    return state


def _cause(error: Exception) -> Exception:
    """Return the exception of ours that an engine's message quotes; `error` if there is none."""
    text = str(error)
    if "No space left on device" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for line in reversed(text.splitlines()):
        if match := OURS.search(line):
            # Beam appends the name of the transform.
            return CLASSES[match[1]](match[2].partition(" [while running")[0])
    return error


CLASSES: dict[str, type[StackpileError]] = {kind.__name__: kind for kind in (DataError, UsageError)}

OURS = re.compile(rf"manifests\.errors\.({'|'.join(CLASSES)}): (.*)")
"""The last line of a traceback of an error of ours."""
