"""The command line. Thin and lazy: a subcommand imports its own package when it runs."""

import errno
import gc
import importlib
import json
import os
import shlex
import shutil
import sys
import time
from importlib.metadata import version
from statistics import mean
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from manifests.errors import StackpileError, UsageError

PACKAGES = ("pipelines", "objectives", "trainer")
"""Each has `commands` with a function `register(app)`; subcommands are listed in this order."""

EXTRAS = {
    "apache_beam": "prepare",
    "bs4": "prepare",
    "datasketch": "prepare",
    "license_expression": "prepare",
    "licensedcode": "prepare",
    "zstandard": "prepare",
    "safetensors": "train",
    "torch": "train",
}
"""Which extra brings a module."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended: 128 + SIGINT, as a shell has it."""


class FrontDoor(TyperGroup):
    """Runs a subcommand, and turns whatever it raises into one sentence and an exit code."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run the subcommand.

        Raises:
            typer.Exit: with 1 where the data is bad, 2 where the call is, 130 after Ctrl-C.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read the output, `head` say, has seen enough. Nothing is left to be flushed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (KeyboardInterrupt, Exception) as error:
            if ctx.params.get("debug") or _is_typers_own(error):
                raise
            sentence, code = explain(error)
            typer.echo(f"stackpile: {sentence}", err=True)
            raise typer.Exit(code) from None


def _is_typers_own(error: BaseException) -> bool:
    """Usage errors and exits: Typer says them itself."""
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "show")


def explain(error: BaseException) -> tuple[str, int]:
    """Return what to say about an error, and the exit code."""
    if isinstance(error, StackpileError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "stopped; the same command goes on from here", INTERRUPTED
    if isinstance(error, ModuleNotFoundError) and (module := (error.name or "").split(".")[0]):
        extra = EXTRAS.get(module)
        if extra:
            said = f"{module} is not installed; pip install 'stackpile[{extra}]' brings it"
            return said, UsageError.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}no space left on the disk; make room, and the same command goes on", 1
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}", 1
    first = (str(error).strip().splitlines() or [""])[0]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"internal error: {said} (run it again with --debug for the traceback)", 1


app = typer.Typer(
    cls=FrontDoor,
    help="The Stack and the Pile to token shards, training batches and a trained CodeGen2.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stackpile {version('stackpile')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say it and exit."),
    ] = False,
) -> None:
    pass


RUN = """\
# A model small enough to learn something in a minute or two on two cores.
output = "run"
mixture = "MIX.toml"

[data]
sequence_length = 256

[model]
name = "codegen2"
size = "demo"

[batch]
sequences = 8
micro_batch = 8

[optimizer]
learning_rate = 4e-3

[schedule]
steps = 400
warmup = 20

[checkpoint]
every = 100
"""

PREFIX = '''def average(values):
    """Return the '''
SUFFIX = ''' of the values."""
    return sum(values) / len(values)
'''

NEXT = """\
{directory}/out          documents, decisions, token shards and their manifests
{directory}/MIX.toml     the mixture; other ratios need no other shards
{directory}/run          a model after {steps} updates: loss {first:.2f} at first, {last:.2f} now
{directory}/report.html  the funnel, lengths, duplicates and samples, for a browser

{command} peek {directory}/MIX.toml               what the model sees, spans in color
{command} show {directory}/out ID                 a document, and why it is there or is not
{command} verify {directory}/out                  every checksum, size and count
{command} trace {directory}/run --step 1 --row 0  the files behind a sequence
{command} evaluate {directory}/run                bits per byte on what was held out
Your own code: write a CORPUS.toml as {directory}/CORPUS.toml, then {command} prepare CORPUS.toml"""


@app.command()
def demo(
    ctx: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="[DIR]", help="Where it goes.")] = "demo",
) -> None:
    """Go the whole road on real input, with nothing to download: some minutes on two cores."""
    from rich.console import Console

    from manifests.io import files
    from pipelines.demo import gather

    console = Console(highlight=False, soft_wrap=True)
    console.rule("[bold]gather: the Python packages installed here", align="left")
    gathered = gather(directory)
    for source, documents in gathered.documents.items():
        said = f"{documents:,} documents, {gathered.bytes[source] / 1e6:.1f} MB"
        console.print(f"{directory}/data/{source}: {said}")
    if not files.exists(f"{directory}/RUN.toml"):
        files.write_bytes(f"{directory}/RUN.toml", RUN.encode())
    debug = ["--debug"] if ctx.find_root().params["debug"] else []
    for title, words in _stages(directory):
        console.rule(f"[bold]{title}", align="left")
        console.print(f"$ stackpile {shlex.join(words)}", style="dim", markup=False)
        began = time.monotonic()
        # The code of a command that failed, and has said why; else what its function returns.
        if code := app([*debug, *words], standalone_mode=False):
            raise typer.Exit(code)
        console.print(f"{time.monotonic() - began:.1f} s", style="dim")
    console.rule("[bold]what was made, and what to type next", align="left")
    command = "stackpile" if shutil.which("stackpile") else sys.argv[0]
    known = {"directory": directory, "command": command, **_losses(directory)}
    console.print(NEXT.format(**known), markup=False)


def _stages(directory: str) -> list[tuple[str, list[str]]]:
    corpus, mix, run, out, model, report = (
        f"{directory}/{name}"
        for name in ("CORPUS.toml", "MIX.toml", "RUN.toml", "out", "run", "report.html")
    )
    half = ["--weight", "the-stack+starcoderdata=0.5", "--weight", "the-pile=0.5"]
    gap = ["--prefix", PREFIX, "--suffix", SUFFIX, "--tokens", "16", "--temperature", "0.5"]
    return [
        ("prepare: filter, deduplicate and tokenize", ["prepare", corpus]),
        ("inspect: what came in, what was rejected, what stays", ["inspect", out]),
        ("mix: half code, half English", ["mix", out, *half, "--out", mix]),
        ("train: a small CodeGen2, on spans to fill and text to continue", ["train", run]),
        ("sample: the model fills a gap", ["sample", model, *gap]),
        ("report: all of it on one page", ["report", out, "--out", report]),
    ]


def _losses(directory: str) -> dict[str, Any]:
    """Return how many updates there were, the loss of the first, and the mean of the last ten."""
    from manifests.io import files

    lines = files.read_bytes(f"{directory}/run/metrics.jsonl").decode().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    return {"steps": len(losses), "first": losses[0], "last": mean(losses[-10:])}


def main() -> None:
    """Run the command line: `stackpile` is this."""
    arguments = sys.argv[1:]
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--debug" in ours:
        arguments.remove("--debug")
        arguments.insert(0, "--debug")
    for package in PACKAGES:
        importlib.import_module(f"{package}.commands").register(app)
    try:
        app(arguments)
    finally:
        # All that is left goes with the process; looking for cycles in it would take a fifth of a
        # second after every job. What torch brings along takes objects that stay for leaks.
        if "torch" not in sys.modules:
            gc.freeze()


if __name__ == "__main__":
    main()
