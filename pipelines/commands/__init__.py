"""The subcommands of data preparation and inspection, one module a group."""

import typer

from pipelines.commands import datasets, inspect, locate, prepare, tokenizer


def register(app: typer.Typer) -> None:
    """Add the subcommands, in the order in which the help lists them."""
    for module in (prepare, datasets, tokenizer, inspect, locate):
        module.register(app)
