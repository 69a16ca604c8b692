"""The subcommands `prepare`, `license-filter`, `dedup` and `tokenize`."""

import gc
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from manifests.console.options import AsJson, BeamOptions, CorpusFile, RunnerName, answer
from manifests.lineage import STEPS, StepName
from pipelines.commands.engine import Cores, Image, Workers, open_engine
from pipelines.runtime.quiet import quiet

Out = Annotated[
    str | None,
    typer.Option("--out", help="Output directory or URL. Default: `output` of CORPUS.toml."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Retry inputs that could not be read before.")
]

HELP: dict[StepName, str] = {
    "license_filter": "Run the first job: decide which documents may be used, and record why.",
    "dedup": "Run the second job: find the near-duplicates among the kept documents.",
    "tokenize": "Run the third job: write the remaining documents as shards of tokens.",
}

PREPARE = "Filter, deduplicate and tokenize a corpus; parts that are done are passed over."

PRELOADED: dict[StepName, str] = {
    "license_filter": "pipelines.license_filter.preload",
    "tokenize": "pipelines.tokenize.step",
}
"""Job -> the module that its worker processes share; the workers of dedup are threads."""


def _command(name: str, text: str, jobs: Sequence[StepName]) -> Callable[..., None]:
    """Return the function of a subcommand that runs `jobs` in their order.

    Only the first job reads inputs, so only its subcommands have `--retry-failed`.

    Args:
        name: of the function; the subcommand has hyphens for underscores.
        text: its docstring, which is the help of the subcommand.
        jobs: names of jobs.
    """

    def with_retry(
        corpus: CorpusFile,
        beam_options: BeamOptions = None,
        out: Out = None,
        runner: RunnerName = None,
        workers: Workers = None,
        cores: Cores = None,
        image: Image = None,
        retry_failed: RetryFailed = False,
        as_json: AsJson = False,
    ) -> None:
        _preload(jobs, runner, beam_options or [])
        # Imports make no garbage, and a search for it takes a tenth of their time.
        gc.disable()
        with quiet():
            from pipelines.preparation import load_preparation
            from pipelines.prepare import run_jobs
            from pipelines.summary import result_table, result_values
        gc.enable()
        engine = open_engine(runner, beam_options, workers, cores, image)
        preparation = load_preparation(corpus, out, engine, retry_failed)
        results = run_jobs(preparation, jobs)
        answer(as_json, result_values(results), lambda: result_table(preparation, results))

    def without_retry(
        corpus: CorpusFile,
        beam_options: BeamOptions = None,
        out: Out = None,
        runner: RunnerName = None,
        workers: Workers = None,
        cores: Cores = None,
        image: Image = None,
        as_json: AsJson = False,
    ) -> None:
        with_retry(corpus, beam_options, out, runner, workers, cores, image, as_json=as_json)

    command = with_retry if "license_filter" in jobs else without_retry
    command.__name__, command.__doc__ = name, text
    return command


def _preload(jobs: Sequence[StepName], runner: str | None, beam_options: list[str]) -> None:
    """Let the fork server of worker processes import while this process imports Beam."""
    from pipelines.runtime import processes

    modules = [module for job, module in PRELOADED.items() if job in jobs]
    if modules and runner in (None, "local") and "--direct_num_workers=1" not in beam_options:
        processes.start_server(*modules)


COMMANDS = (
    _command("prepare", PREPARE, STEPS),
    *(_command(step, HELP[step], [step]) for step in STEPS),
)
