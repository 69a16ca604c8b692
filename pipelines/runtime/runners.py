"""Engines: the runner of a job, and Beam's options for it."""

import argparse
import contextlib
import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from manifests.errors import DataError, StackpileError, UsageError

IN_PROCESS = "FnApiRunner"
"""Beam's name for its engine in this process."""


@dataclass(frozen=True)
class Runner:
    """An engine by Beam's name, and Beam's own options for it.

    Without a name it is Beam's in-process FnApiRunner, named explicitly: Beam's own default first
    tries to download a binary. Worker processes beneath it do the rows of a step, one process for
    each core by default.
    """

    name: str | None = None
    options: tuple[str, ...] = ()
    threads: bool = False
    """Whether the in-process engine's workers are threads: see `threaded`."""

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
        cores, number = os.cpu_count() or 1, self._parsed[0].direct_num_workers
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
        arguments = [*self.options, f"--runner={self.name}"]
        if self.name == "SparkRunner" and not any("--experiments" in one for one in self.options):
            # Spark reads in one partition unless the graph is optimized before it is handed over.
            arguments.append("--experiments=pre_optimize=all")
        return arguments

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
        return self.name in (None, IN_PROCESS)

    def engine(self) -> Any:
        """Return the engine for a pipeline; None where Beam finds it by its name."""
        return FnApiRunner() if self.in_process else None


def run(runner: Runner, parts: int, build: Callable[[beam.Pipeline], object]) -> None:
    """Build a pipeline, run it, and wait for its end.

    Args:
        runner: the engine.
        parts: number of parts, from which the number of workers follows.
        build: adds the transforms to the pipeline.

    Raises:
        UsageError: Beam does not know the engine or an option, or a worker cannot use the config.
        DataError: the job failed; the message is the worker's own sentence.
    """
    with _quiet():
        try:
            options = PipelineOptions(runner.arguments(parts))
            pipeline = beam.Pipeline(runner=runner.engine(), options=options)
        except (ValueError, ImportError) as error:
            raise UsageError(f"runner {runner.name or IN_PROCESS}: {error}") from None
        build(pipeline)
        try:
            state = pipeline.run().wait_until_finish()
        except Exception as error:
            # The in-process engine raises another exception while it handles the worker's.
            if isinstance(error.__context__, StackpileError | OSError | KeyboardInterrupt):
                raise error.__context__ from None
            raise _cause(error) from error
    if state not in (None, "DONE"):
        raise DataError(f"runner {runner.name or IN_PROCESS}: the job ended as {state}")


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Beam, which logs every stage; progress bars and errors inform the user."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(before)
        logging.getLogger("apache_beam").setLevel(logging.NOTSET)
