"""The subcommands of data preparation and inspection, one module a group."""

import typer

from pipelines.commands import (
    datasets,
    demo,
    inspect,
    locate,
    mix,
    output_files,
    prepare,
    presets,
    tokenizer,
    warm,
)

MODULES = (demo, presets, prepare, datasets, inspect, mix, locate, output_files, warm)
"""In the order in which the help lists their COMMANDS."""


def register(app: typer.Typer) -> None:
    """Add the subcommands of every module."""
    for module in MODULES:
        for command in module.COMMANDS:
            app.command()(command)
    app.add_typer(tokenizer.app, name="tokenizer")
