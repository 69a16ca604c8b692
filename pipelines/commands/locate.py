"""The subcommands `show` and `locate` about one document."""

from dataclasses import asdict
from typing import Annotated

import typer

from manifests.console.options import AsJson, Directory, answer
from manifests.errors import UsageError


def show(
    directory: Directory,
    document: Annotated[
        str, typer.Argument(metavar="ID", help="32 hex digits, the first of them, or a path.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show a document: its text, where it came from, and why it was kept or rejected."""
    from manifests.lineage.chain import load_chain
    from pipelines.inspect.document import describe_document, render_document

    description = describe_document(load_chain(directory), document)
    answer(as_json, description, lambda: render_document(description))


def locate(
    directory: Directory,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|TEXT|SHARD:BLOCK:TOKEN",
            help="An id or its first digits, a path, or a whole text; or a token of a shard.",
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="The text of a file instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the shard and block that hold a document, or the document that holds a token."""
    from manifests.io import files
    from manifests.lineage.chain import load_chain
    from pipelines.inspect import locate

    if (query is None) == (text is None):
        raise UsageError("give an id, a text or a token's address, or --file: one of them")
    chain = load_chain(directory)
    if text is not None:
        documents = locate.locate_text(chain, _decoded(text, files.read_bytes(text)))
    else:
        documents = locate.locate(chain, query or "")
    values = {"documents": [asdict(document) for document in documents]}
    answer(as_json, values, lambda: locate.render_locations(documents))


def _decoded(path: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8: {error}") from None


COMMANDS = (show, locate)
