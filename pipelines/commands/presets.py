"""The subcommand `presets`."""

from typing import Annotated

import typer

from manifests.console.options import AsJson, answer
from manifests.errors import UsageError


def presets(
    name: Annotated[str | None, typer.Argument(help="A preset; all are listed without.")] = None,
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="The corpus to write.")
    ] = "CORPUS.toml",
    as_json: AsJson = False,
) -> None:
    """List the corpora of published models with their sources, or write one as a CORPUS.toml."""
    from manifests.io import files
    from pipelines.corpus.presets import preset_comment, preset_names, read_preset

    if name is None:
        about = {known: preset_comment(known) for known in preset_names()}
        text = "\n\n".join(f"{known}\n{comment}" for known, comment in about.items())
        answer(as_json, {"presets": about}, lambda: text)
        return
    content = read_preset(name)
    if files.exists(out):
        raise UsageError(f"{out}: exists already; name another file with --out")
    files.write_bytes(out, content.encode())
    values = {"out": out, "preset": name}
    answer(as_json, values, lambda: f"{out}: written; set the `files` of its sources")


COMMANDS = (presets,)
