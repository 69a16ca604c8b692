"""The subcommand `mix`."""

from typing import Annotated

import typer

from manifests.console.options import AsJson, answer
from manifests.errors import UsageError


def mix(
    directories: Annotated[list[str], typer.Argument(metavar="DIR...", help="Tokenized outputs.")],
    *,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="GROUP=W", help="A group and its weight; repeatable."),
    ] = None,
    repeat: Annotated[
        list[str] | None,
        typer.Option("--repeat", metavar="GROUP=E", help="A group and its epochs; repeatable."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="codegen2-mix, nl-only, pl-only, codegen2.5, or a TOML file.")
    ] = None,
    max_epochs: Annotated[
        list[str] | None,
        typer.Option(
            "--max-epochs", metavar="[GROUP=]E", help="Maximum epochs of a component; repeatable."
        ),
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget in tokens.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Budget in sizes of the mixture.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order and of every span.")] = 0,
    out: Annotated[str, typer.Option("--out", help="The mixture to write.")] = "MIX.toml",
    as_json: AsJson = False,
) -> None:
    """Write a mixture; a group is a source, SOURCE/COMPONENT, a pattern, COLUMN:VALUE, or A+B."""
    from manifests.lineage.chain import load_chain
    from manifests.mixture import render
    from manifests.mixture.mixture import make_mixture, missing_sets

    caps = [text if "=" in text else f"={text}" for text in max_epochs or []]
    datasets = [load_chain(directory).last.directory for directory in directories]
    rows = make_mixture(
        datasets,
        _numbers("--weight", weight or []),
        repeats=_numbers("--repeat", repeat or []),
        recipe=recipe,
        max_epochs=_numbers("--max-epochs", caps),
        tokens=tokens,
        epochs=epochs,
        seed=seed,
        out=out,
    )
    missing = missing_sets(datasets, recipe)
    values = {"out": out, "components": rows, "missing": missing}
    answer(as_json, values, lambda: render.mixture_view(rows, out, missing))


def _numbers(option: str, texts: list[str]) -> dict[str, float]:
    """Return group -> number of an option's texts, each GROUP=NUMBER."""
    numbers: dict[str, float] = {}
    for text in texts:
        group, separator, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            separator = ""
        if not separator or (not group and option != "--max-epochs"):
            form = {"--repeat": "GROUP=E", "--max-epochs": "[GROUP=]E"}.get(option, "GROUP=W")
            raise UsageError(
                f"{option}: {text.lstrip('=')!r} is not written {form}, with a number {form[-1]}"
            )
        if group in numbers:
            name = f"group {group!r}" if group else "the maximum of every group"
            raise UsageError(f"{option}: {name} is given twice")
        numbers[group] = value
    return numbers


COMMANDS = (mix,)
