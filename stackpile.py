"""The command line. Each subcommand imports its own package when it runs."""

import errno
import gc
import importlib
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from manifests.console.options import HelpGroup
from manifests.errors import StackpileError, UsageError

PACKAGES = ("pipelines", "objectives", "trainer")
"""Each has `commands` with a function `register(app)`; the help lists them in this order."""

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
"""Module -> the extra of Stackpile that installs it."""

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as in a shell."""


class CommandGroup(HelpGroup):
    """Runs a subcommand and turns an exception into one sentence and an exit code."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run the subcommand.

        Raises:
            typer.Exit: 1 for wrong data, 2 for a wrong call, 3 for a step that was handed over, 130
                after Ctrl-C.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of the output, for example `head`, has closed the pipe. Python flushes
            # stdout once more at exit, which must not fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (KeyboardInterrupt, Exception) as error:
            if ctx.params.get("debug") or _is_typers_own(error):
                raise
            message, code = explain(error)
            typer.echo(f"stackpile: {message}", err=True)
            raise typer.Exit(code) from None


def _is_typers_own(error: BaseException) -> bool:
    """Tell whether Typer reports the error itself: a usage error or an exit."""
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "show")


def explain(error: BaseException) -> tuple[str, int]:
    """Return the message for an exception, and the exit code."""
    if isinstance(error, StackpileError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "stopped; the same command goes on from here", INTERRUPTED
    if isinstance(error, ModuleNotFoundError) and (module := (error.name or "").split(".")[0]):
        extra = EXTRAS.get(module)
        if extra:
            message = f"{module} is not installed; install it with pip install 'stackpile[{extra}]'"
            return message, UsageError.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}no space left on the disk; make room, and the same command goes on", 1
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}", 1
    first_line = (str(error).strip().splitlines() or [""])[0]
    name = type(error).__name__
    message = f"{name}: {first_line}" if first_line else name
    return f"internal error: {message} (run it again with --debug for the traceback)", 1


app = typer.Typer(
    cls=CommandGroup,
    help="The Stack and the Pile to token shards, training batches and a trained CodeGen2.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Markup would swallow brackets: `[filters]` is a table of CORPUS.toml.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"stackpile {version('stackpile')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def report(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Output of `prepare`, or directory of a run.")
    ],
    out: Annotated[str, typer.Option("--out", help="The page to write.")] = "report.html",
    mixture: Annotated[
        str | None,
        typer.Option("--mixture", metavar="MIX.toml", help="Draw its epochs, too (of an output)."),
    ] = None,
) -> None:
    """Write one self-contained HTML page: what an output holds, or how a run has trained."""
    from manifests.console.output import print_answer
    from manifests.io import files
    from trainer.layout import PLAN

    if files.exists(files.join(directory, PLAN)):
        from trainer.reporting.report import run_report

        if mixture is not None:
            raise UsageError("--mixture: is for an output of `prepare`, not for a run")
        page = run_report(directory)
    else:
        from manifests.lineage.chain import load_chain
        from pipelines.report.page import report as output_report

        page = output_report(load_chain(directory), mixture)
    files.write_bytes(out, page.encode())
    print_answer(f"{out}: written; open it in a browser")


def register(app: typer.Typer) -> None:
    """Add the subcommands of all packages, and `report`, which knows outputs and runs."""
    for package in PACKAGES:
        importlib.import_module(f"{package}.commands").register(app)
    app.command()(report)


def main() -> None:
    """Run the command line: the script `stackpile` calls this function."""
    arguments = sys.argv[1:]
    # Arguments after "--" belong to Beam.
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--debug" in before:
        arguments.remove("--debug")
        arguments.insert(0, "--debug")
    register(app)
    try:
        app(arguments)
    finally:
        # At exit Python looks for cycles among all objects, a fifth of a second after a job. Frozen
        # objects are passed over. torch reports frozen objects as leaks.
        if "torch" not in sys.modules:
            gc.freeze()


if __name__ == "__main__":
    main()
