"""Which engine runs a job, and with which of Beam's options."""

import contextlib
import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from manifests.errors import DataError, StackpileError, UsageError
from pipelines.runtime import workers
from pipelines.runtime.quiet_beam import FnApiRunner, PipelineOptions, beam

IN_PROCESS = workers.ENGINE


@dataclass(frozen=True)
class Runner:
    """An engine by Beam's name, and Beam's own options for it.

    Without a name it is Beam's in-process FnApiRunner, named explicitly: Beam's own default first
    tries to download a binary. It runs a worker process for each core.
    """

    name: str | None = None
    options: tuple[str, ...] = ()
    threads: bool = False
    """Whether the in-process engine's workers are threads: see `threaded`."""

    def threaded(self) -> Self:
        """Return the same engine for work that is done in compiled code, without the GIL.

        A worker process holds 200 MB (Beam, Arrow and numba once more) and takes seconds to start,
        and whatever is shuffled is held by the engine, by the pipe and by the worker. Threads of
        this process share all of that. Other engines are what they are.
        """
        return replace(self, threads=True)

    def arguments(self, parts: int) -> list[str]:
        """Return the options for a job over so many parts: no more processes than parts."""
        given = {option.partition("=")[0] for option in self.options}
        arguments = list(self.options)
        if self.in_process:
            if workers.COUNT not in given:
                arguments.append(f"{workers.COUNT}={min(os.cpu_count() or 1, parts)}")
        else:
            arguments.append(f"--runner={self.name}")
        if self.name == "SparkRunner" and "--experiments" not in given:
            # Spark reads in one partition unless the graph is optimized before it is handed over.
            arguments.append("--experiments=pre_optimize=all")
        return arguments

    @property
    def in_process(self) -> bool:
        """Whether it is Beam's engine in this process."""
        return self.name in (None, IN_PROCESS)

    def engine(self, options: PipelineOptions) -> Any:
        """Return the engine for a pipeline; None where Beam finds it by its name."""
        if not self.in_process:
            return None
        if self.threads or int(options.get_all_options()["direct_num_workers"]) == 1:
            return FnApiRunner()
        from pipelines.runtime.forked import Forked

        return FnApiRunner(Forked.default())


def run(runner: Runner, parts: int, build: Callable[[beam.Pipeline], object]) -> None:
    """Build a pipeline, run it, and wait for its end.

    Raises:
        UsageError: the engine or an option is not known to Beam, or a worker cannot use the config.
        DataError: the job failed; the message is the worker's own sentence.
    """
    with _quiet():
        try:
            options = PipelineOptions(runner.arguments(parts))
            pipeline = beam.Pipeline(runner=runner.engine(options), options=options)
        except (ValueError, ImportError) as error:
            raise UsageError(f"runner {runner.name or IN_PROCESS}: {error}") from None
        build(pipeline)
        try:
            state = pipeline.run().wait_until_finish()
        except Exception as error:
            raise _cause(error) from error
    if state not in (None, "DONE"):
        raise DataError(f"runner {runner.name or IN_PROCESS}: the job ended as {state}")


def _cause(error: Exception) -> Exception:
    """The sentence of ours inside what an engine wraps a worker's exception in."""
    text = str(error)
    if "No space left on device" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if isinstance(error, StackpileError):
        return type(error)(_without_place(text))
    for line in reversed(text.splitlines()):
        if said := OURS.search(line):
            return CLASSES[said[1]](_without_place(said[2]))
    return error


CLASSES: dict[str, type[StackpileError]] = {each.__name__: each for each in (DataError, UsageError)}

OURS = re.compile(rf"manifests\.errors\.({'|'.join(CLASSES)}): (.*)")
"""How a traceback ends with an error of ours."""


def _without_place(sentence: str) -> str:
    """Beam adds the name of the transform."""
    return sentence.partition(" [while running")[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Beam logs every stage; what people need to know is in progress, receipts and errors."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(before)
        logging.getLogger("apache_beam").setLevel(logging.NOTSET)
