"""Options that several subcommands of the jobs take."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
BeamOptions = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- BEAM OPTIONS]", help="Beam's own options, after `--`."),
]
RunnerName = Annotated[
    str | None,
    typer.Option("--runner", help="A Beam runner; all cores of this machine when not given."),
]
