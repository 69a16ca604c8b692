"""`stackpile prepare`, and its jobs one by one."""

import gc
from collections.abc import Callable
from typing import Annotated

import typer

from manifests.console.options import AsJson, BeamOptions, CorpusFile, RunnerName

Out = Annotated[
    str | None, typer.Option("--out", help="Output directory or URL; CORPUS.toml's when not given.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try inputs again that could not be read.")
]


JOBS = {
    "license-filter": "Run the first job: which documents may be trained on, and why.",
    "dedup": "Run the second job: which documents are near-duplicates of others.",
    "tokenize": "Run the third job: the documents that stay become shards of tokens.",
}
PRELOADED = {
    "license-filter": "pipelines.license_filter.preload",
    "tokenize": "pipelines.tokenize.step",
}
"""Job -> the module that its worker processes share; the workers of dedup are threads."""

WHOLE = "Filter, deduplicate and tokenize a corpus; parts that are done are passed over."


def register(app: typer.Typer) -> None:
    """Add the subcommands of this package."""
    app.command("prepare", help=WHOLE)(_command(list(JOBS)))
    for name, told in JOBS.items():
        app.command(name, help=told)(_command([name]))


def _command(jobs: list[str]) -> Callable[..., None]:
    """Return the function of a subcommand that runs some of the jobs, in their order.

    Only the first job reads inputs, so only where it runs there are some to be tried again.
    """

    def with_inputs(
        corpus: CorpusFile,
        beam_options: BeamOptions = None,
        out: Out = None,
        runner: RunnerName = None,
        retry_failed: RetryFailed = False,
        as_json: AsJson = False,
    ) -> None:
        _run(jobs, corpus, beam_options, out, runner, as_json, retry_failed)

    def without(
        corpus: CorpusFile,
        beam_options: BeamOptions = None,
        out: Out = None,
        runner: RunnerName = None,
        as_json: AsJson = False,
    ) -> None:
        _run(jobs, corpus, beam_options, out, runner, as_json)

    return with_inputs if "license-filter" in jobs else without


def _run(
    jobs: list[str],
    corpus: str,
    beam_options: list[str] | None,
    out: str | None,
    runner: str | None,
    as_json: bool,
    retry_failed: bool = False,
) -> None:
    _preload(jobs, runner, beam_options or [])
    # Imports make no garbage, and looking for it takes a tenth of their time.
    gc.disable()
    from manifests.console.output import answer
    from pipelines.preparation import load_preparation
    from pipelines.prepare import run_jobs
    from pipelines.runtime.runners import Runner
    from pipelines.summary import as_table, as_values

    gc.enable()
    engine = Runner(runner, tuple(beam_options or ()))
    preparation = load_preparation(corpus, out, engine, retry_failed)
    done = run_jobs(preparation, [job.replace("-", "_") for job in jobs])
    answer(as_json, as_values(done), lambda: as_table(preparation, done))


def _preload(jobs: list[str], runner: str | None, beam_options: list[str]) -> None:
    """Let the fork server of worker processes import while this process imports Beam."""
    from pipelines.runtime import processes

    modules = [module for job, module in PRELOADED.items() if job in jobs]
    if modules and runner in (None, "FnApiRunner") and "--direct_num_workers=1" not in beam_options:
        processes.start_server(*modules)
