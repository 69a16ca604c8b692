"""The command line. Thin and lazy: a subcommand imports its own package when it runs."""

import errno
import importlib
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.core import TyperGroup

from manifests.errors import BadCall, StackpileError

PACKAGES = ("pipelines", "manifests", "objectives", "trainer")
"""Each has a commands.py with `register(app)`; subcommands are listed in this order."""

EXTRAS = {
    "apache_beam": "prepare",
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
            return said, BadCall.exit_code
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


def main() -> None:
    """Run the command line: `stackpile` is this."""
    arguments = sys.argv[1:]
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--debug" in ours:
        arguments.remove("--debug")
        arguments.insert(0, "--debug")
    for package in PACKAGES:
        importlib.import_module(f"{package}.commands").register(app)
    app(arguments)


if __name__ == "__main__":
    main()
