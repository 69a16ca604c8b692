"""Arguments and options that several subcommands share."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import RenderableType


class HelpGroup(TyperGroup):
    """A group of subcommands whose help lists whole summaries; Typer cuts them off at one line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of subcommands."""
        for name in self.list_commands(ctx):
            if command := self.get_command(ctx, name):
                command.short_help = command.help
        super().format_commands(ctx, formatter)


def answer(
    as_json: bool, values: Mapping[str, Any], render: "Callable[[], RenderableType]"
) -> None:
    """Print the result of a subcommand: `values` as one JSON object, or what `render` returns."""
    from manifests.console.output import print_answer, print_json

    if as_json:
        print_json(values)
    else:
        print_answer(render())


Directory = Annotated[
    str,
    typer.Argument(
        metavar="DIR", help="Output directory of `prepare`, or the directory of one of its steps."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
CorpusFile = Annotated[
    str, typer.Argument(metavar="CORPUS.toml", help="The sources and the settings of the jobs.")
]
BeamOptions = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- BEAM OPTIONS]", help="Options of Beam, after `--`."),
]
RunnerName = Annotated[
    str | None,
    typer.Option(
        "--runner",
        help="spark, flink, dataflow, prism, or any Beam runner. Default: local, all cores of "
        "this machine.",
    ),
]
