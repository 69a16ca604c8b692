"""The subcommand `presets`."""

from typing import Annotated

import typer

from manifests.console.options import AsJson


def presets(
    name: Annotated[str | None, typer.Argument(help="A preset; all are listed without.")] = None,
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="The corpus to write.")
    ] = "CORPUS.toml",
    as_json: AsJson = False,
) -> None:
    """List the corpora of published models with their sources, or write one as a CORPUS.toml."""
    from pipelines.corpus.presets import PRESETS

    PRESETS.list_or_write(name, out, as_json, "set the `files` of its sources")


COMMANDS = (presets,)
