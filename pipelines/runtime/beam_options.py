"""Beam's options: unknown ones are errors, and some hand a job over instead of running it."""

import argparse
import contextlib
import os
import shutil
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    TestOptions,
)
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability.portable_runner import PortableRunner

from manifests.config import did_you_mean
from manifests.errors import UsageError

SUBMIT = {
    "FlinkRunner": "flink run --class org.apache.beam.runners.flink.FlinkPipelineRunner",
    "SparkRunner": "spark-submit --class org.apache.beam.runners.spark.SparkPipelineRunner",
}
"""Engine -> the command that runs a jar of `--output_executable_path`, without the jar."""


class LocalOptions(PipelineOptions):
    """Beam's options for the engine in this process, which make each view once.

    Beam asks for 1,200 views of 12 classes while a dedup's graphs are built and run, and parses all
    flags for each one. Views share their values, so one view of a class is enough.
    """

    def view_as(self, cls: type[PipelineOptions]) -> PipelineOptions:
        """Return the view of a class of options."""
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]


def check_options(pipeline: beam.Pipeline, flags: Sequence[str]) -> None:
    """Check that Beam or the job server of the pipeline's engine knows every option.

    The job server is asked only about options that Beam does not know.

    Args:
        pipeline: an empty pipeline with the engine and the options.
        flags: the options as they were given.

    Raises:
        UsageError: an option is unknown, or the job server does not answer.
    """
    unknown, known = _unknown(pipeline.options, flags, [])
    if unknown and isinstance(pipeline.runner, PortableRunner):
        unknown, known = _unknown(pipeline.options, flags, _described(pipeline))
    if unknown:
        name = unknown[0].partition("=")[0]
        hint = did_you_mean(name.lstrip("-"), known)
        raise UsageError(f"neither Beam nor the job server knows the option {name!r}; {hint}")


def _unknown(
    options: PipelineOptions, flags: Sequence[str], more: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the arguments that no option takes, and the names of all options.

    Args:
        options: Beam's options.
        flags: the arguments.
        more: names of the options of a job server.
    """
    parsers: list[argparse.ArgumentParser] = []

    def extend(parser: argparse.ArgumentParser) -> None:
        for name in more:
            with contextlib.suppress(argparse.ArgumentError):  # Beam has the option, too
                parser.add_argument(f"--{name}", nargs="?")
        parsers.append(parser)

    options.get_all_options(add_extra_args_fn=extend)
    known, unknown = parsers[0].parse_known_args(list(flags))
    return unknown, sorted(vars(known))


def _described(pipeline: beam.Pipeline) -> list[str]:
    """Return the names of the options of a pipeline's job server."""
    try:
        handle = pipeline.runner.create_job_service(pipeline.options)
        request = beam_job_api_pb2.DescribePipelineOptionsRequest()
        response = handle.job_service.DescribePipelineOptions(request, timeout=handle.timeout)
    except Exception as error:
        raise UsageError(f"the job server does not tell its options: {error}") from None
    return [option.name for option in response.options]


def handed_over(engine: str, options: PipelineOptions) -> tuple[str, str] | None:
    """Return what an engine did instead of running a job, and what the user does next.

    Args:
        engine: Beam's name of the engine.
        options: Beam's options.

    Returns:
        Two parts of a sentence; None if the engine ran the job.
    """
    jar = options.view_as(PortableOptions).output_executable_path
    template = options.view_as(GoogleCloudOptions).template_location
    if jar:
        wrote = f"wrote {jar}" if os.path.exists(jar) else f"was asked to write {jar}"
        return wrote, f"run it by `{SUBMIT[engine]} {jar}`" if engine in SUBMIT else "run it"
    if template:
        return f"wrote the template {template}", "run it"
    if options.view_as(TestOptions).dry_run:
        return "built the graph and ran nothing (--dry_run)", "run it without --dry_run"
    return None


def check_engine(engine: str, in_process: bool, options: PipelineOptions) -> None:
    """Check that an engine can do what its options ask for.

    Args:
        engine: Beam's name of the engine.
        in_process: whether it is Beam's engine in this process.
        options: Beam's options.

    Raises:
        UsageError: Java is missing, the engine cannot hand a job over, or workers would end with
            this command.
    """
    portable = options.view_as(PortableOptions)
    java = options.view_as(JobServerOptions).job_server_java_launcher
    if engine in SUBMIT and not portable.job_endpoint and shutil.which(java) is None:
        raise UsageError(f"{engine} needs Java 17, and there is no program {java!r}")
    if in_process and handed_over("", options):
        raise UsageError(
            "the engine in this process runs every job itself: --output_executable_path, "
            "--template_location and --dry_run need another --runner"
        )
    if portable.output_executable_path and portable.environment_type == "LOOPBACK":
        raise UsageError(
            "--environment_type=LOOPBACK: these workers end with this command, before the jar of "
            "--output_executable_path runs; use DOCKER, PROCESS or EXTERNAL"
        )
