"""Engines that Beam finds by the dotted names of their classes, and that do less than they say."""

from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, Environment

from pipelines.runtime.runners import Runner


def engine(kind: type[PipelineRunner], *options: str) -> Runner:
    """Return an engine by its class."""
    return Runner(f"{kind.__module__}.{kind.__qualname__}", options)


class Done(PipelineResult):
    """The result of a pipeline that is called done."""

    def __init__(self) -> None:
        super().__init__(PipelineState.DONE)

    def wait_until_finish(self, duration: int | None = None) -> str:
        return str(PipelineState.DONE)


class Idle(PipelineRunner):
    """Answers DONE and runs nothing."""

    def run_pipeline(self, pipeline: beam.Pipeline, options: Any) -> PipelineResult:
        return Done()


class Skipping(PipelineRunner):
    """Answers DONE and runs nothing where a pipeline's name begins with `skipped`.

    Attributes:
        skipped: beginning of a name.
        names: names of the pipelines so far.
    """

    skipped: ClassVar[str] = ""
    names: ClassVar[list[str]] = []

    def run_pipeline(self, pipeline: beam.Pipeline, options: Any) -> PipelineResult:
        name = options.view_as(GoogleCloudOptions).job_name
        Skipping.names.append(name)
        if name.startswith(Skipping.skipped):
            return Done()
        return FnApiRunner().run_pipeline(pipeline, options)


class Elsewhere(PipelineRunner):
    """Runs a pipeline on another machine: the directory `disk` has other files there."""

    disk: ClassVar[Path]

    def run_pipeline(self, pipeline: beam.Pipeline, options: Any) -> PipelineResult:
        away = self.disk.with_name("driver")
        self.disk.rename(away)
        try:
            return FnApiRunner().run_pipeline(pipeline, options)
        finally:
            if self.disk.exists():
                self.disk.rename(self.disk.with_name("worker"))
            away.rename(self.disk)


class Interrupted(PipelineRunner):
    """Is stopped by Ctrl-C while its job runs."""

    cancelled: ClassVar[int] = 0

    def run_pipeline(self, pipeline: beam.Pipeline, options: Any) -> PipelineResult:
        return Running()


class Running(PipelineResult):
    """The result of a pipeline that runs until it is cancelled."""

    def __init__(self) -> None:
        super().__init__(PipelineState.RUNNING)

    def wait_until_finish(self, duration: int | None = None) -> str:
        raise KeyboardInterrupt

    def cancel(self) -> None:
        Interrupted.cancelled += 1


class WritesJar(PipelineRunner):
    """Writes a pipeline to `--output_executable_path` instead of running it."""

    def default_environment(self, options: Any) -> Environment:
        return EmbeddedPythonEnvironment.default()

    def run_portable_pipeline(self, pipeline: Any, options: Any) -> PipelineResult:
        jar = Path(options.view_as(PortableOptions).output_executable_path)
        jar.write_bytes(pipeline.SerializeToString())
        return Done()


def submit(jar: Path) -> None:
    """Run a pipeline that WritesJar has written."""
    proto = beam_runner_api_pb2.Pipeline.FromString(jar.read_bytes())
    FnApiRunner().run_via_runner_api(proto, PipelineOptions([]))
