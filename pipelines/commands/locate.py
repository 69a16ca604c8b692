"""The subcommands about places: where a document lies, and what of an output can go."""

from typing import Annotated

import typer

from manifests.errors import UsageError

Directory = Annotated[
    str, typer.Argument(metavar="DIR", help="An output (out/), or the directory of one step.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the subcommands."""
    app.command()(where)
    app.command()(clean)


def where(
    directory: Directory,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|TEXT|SHARD:BLOCK:TOKEN",
            help="An id or the start of one, a path, a whole text; or a token, to go back.",
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="The text of a file instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which shard and block hold a document; or whose document a token of a shard is."""
    from manifests.console.output import answer
    from manifests.io import files
    from manifests.lineage.chain import load_chain
    from pipelines.inspect import locate as finding

    if (query is None) == (text is None):
        raise UsageError("give an id, a text or a place, or --file: one of them")
    chain = load_chain(directory)
    if text is not None:
        found = finding.where_text(chain, _decoded(text, files.read_bytes(text)))
    else:
        found = finding.where(chain, query or "")
    answer(as_json, {"documents": found}, lambda: finding.render(found))


def _decoded(path: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8: {error}") from None


def clean(
    directory: Directory,
    *,
    documents: Annotated[
        bool, typer.Option("--documents", help="Remove documents/ too, once there are shards.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without, it is only told.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what an output holds that nothing needs any more; with --yes, remove it."""
    from manifests.console.output import answer
    from manifests.verify import cleanup as cleaning

    found = cleaning.wasted(directory, documents)
    if yes:
        cleaning.remove(found)
    answer(as_json, {**found.plain(), "removed": yes}, lambda: cleaning.render(found, removed=yes))
