"""A command line with the subcommands of this package."""

import pytest
import typer
from typer.testing import CliRunner

from pipelines import commands


@pytest.fixture
def run():
    app = typer.Typer()
    commands.register(app)

    def call(*arguments, catch_exceptions=False):
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, words, catch_exceptions=catch_exceptions)

    return call
