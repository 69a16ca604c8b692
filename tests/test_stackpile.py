"""The front door: one sentence and an exit code for whatever a subcommand raises."""

import errno
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import stackpile
from manifests.errors import DataError, UsageError

ERROR: list[BaseException] = []


@pytest.fixture
def app() -> Iterator[typer.Typer]:
    app = typer.Typer(cls=stackpile.CommandGroup, pretty_exceptions_enable=False)
    app.callback()(stackpile._options)

    @app.command()
    def fail(number: int = 0) -> None:
        raise ERROR[-1]

    @app.command()
    def work() -> None:
        print("done")

    yield app
    ERROR.clear()


def run(app: typer.Typer, error: BaseException, *options: str) -> Result:
    ERROR.append(error)
    return CliRunner().invoke(app, [*options, "fail"])


def said(result: Result) -> str:
    return result.stderr.removeprefix("stackpile: ").rstrip("\n")


def test_a_command_that_works(app: typer.Typer):
    result = CliRunner().invoke(app, ["work"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("error", "code"), [(DataError("a.tar: is cut"), 1), (UsageError("no"), 2)]
)
def test_our_own_errors(app: typer.Typer, error: Exception, code: int):
    result = run(app, error)
    assert (result.exit_code, said(result)) == (code, str(error))


def test_control_c(app: typer.Typer):
    result = run(app, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "the same command goes on" in said(result)


def test_a_full_disk(app: typer.Typer):
    result = run(app, OSError(errno.ENOSPC, "No space left on device", "out/x.parquet"))
    assert result.exit_code == 1
    assert said(result).startswith("out/x.parquet: no space left")


def test_a_file_without_permission(app: typer.Typer):
    result = run(app, PermissionError(errno.EACCES, "Permission denied", "out/x"))
    assert (result.exit_code, said(result)) == (1, "out/x: permission denied")


def test_a_package_of_an_extra_that_is_not_installed(app: typer.Typer):
    error = ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    result = run(app, error)
    assert result.exit_code == 2
    assert "pip install 'stackpile[train]'" in said(result)


def test_anything_else_is_one_line(app: typer.Typer):
    result = run(app, ValueError("first\nsecond"))
    assert result.exit_code == 1
    assert said(result) == (
        "internal error: ValueError: first (run it again with --debug for the traceback)"
    )


def test_debug_shows_the_traceback(app: typer.Typer):
    result = run(app, ValueError("first"), "--debug")
    assert isinstance(result.exception, ValueError)


def test_usage_errors_are_typers_own(app: typer.Typer):
    result = CliRunner().invoke(app, ["fail", "--number", "x"])
    assert result.exit_code == 2
    assert "Usage" in result.stderr
    assert "internal error" not in result.stderr


def test_debug_may_stand_anywhere(monkeypatch: pytest.MonkeyPatch):
    seen: list[list[str]] = []
    monkeypatch.setattr(stackpile, "register", lambda app: None)
    monkeypatch.setattr(stackpile, "app", seen.append)
    monkeypatch.setattr("sys.argv", ["stackpile", "plan", "C.toml", "--debug", "--", "--debug"])
    stackpile.main()
    assert seen == [["--debug", "plan", "C.toml", "--", "--debug"]]


@pytest.fixture
def whole_app() -> typer.Typer:
    """The program with all of its commands, and without the state of the module's `app`."""
    app = typer.Typer(cls=stackpile.CommandGroup, rich_markup_mode=stackpile.app.rich_markup_mode)
    stackpile.register(app)
    return app


def test_help_prints_every_summary_and_option_as_it_is_written(whole_app: typer.Typer):
    def help_of(*words: str) -> str:
        return unwrapped(CliRunner().invoke(whole_app, [*words, "--help"]).output)

    def unwrapped(text: str | None) -> str:
        return "".join((text or "").split())

    def check(group: Any, *above: str) -> None:
        listing = help_of(*above)
        for name, command in group.commands.items():
            summary, text = unwrapped(command.help), help_of(*above, name)
            assert summary and summary in text and summary in listing
            assert all(unwrapped(getattr(p, "help", None)) in text for p in command.params)
            if hasattr(command, "commands"):
                check(command, *above, name)

    assert "of[filters]wouldkeep" in help_of()
    check(typer.main.get_command(whole_app))
