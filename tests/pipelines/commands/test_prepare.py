"""`stackpile prepare` and the subcommands of its jobs."""

import json
import logging
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import DataError
from pipelines import commands

ONE = ["--", "--direct_num_workers=1"]


def call(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.stdout


def test_single_jobs_give_the_results_of_prepare(corpus: Path, prepared_corpus: Path) -> None:
    code, out = call("prepare", str(prepared_corpus), "--json", *ONE)
    assert code == 0
    together = json.loads(out)
    assert list(together) == ["license_filter", "dedup", "tokenize"]
    for job in ("license-filter", "dedup", "tokenize"):
        single = json.loads(call(job, str(corpus), "--json", *ONE)[1])
        [(name, result)] = single.items()
        assert result["totals"] == together[name]["totals"]
        assert result["rejected"] == together[name]["rejected"]


def test_prepare_prints_a_table(corpus: Path) -> None:
    code, out = call("prepare", str(corpus), *ONE)
    assert code == 0
    assert "license_filter" in out and "MB/s" in out and "exact 2" in out


def test_every_job_has_help() -> None:
    for job in ("prepare", "plan", "license-filter", "dedup", "tokenize"):
        assert call(job, "--help")[0] == 0


def test_a_job_without_its_predecessor_is_an_error(corpus: Path) -> None:
    with pytest.raises(Exception, match=r"license_filter/manifest\.json: there is no such file"):
        call("dedup", str(corpus), *ONE)


def test_a_command_leaves_the_log_of_its_process_as_it_was(corpus: Path) -> None:
    before = logging.getLogger().level
    with pytest.raises(DataError):
        call("dedup", str(corpus), *ONE)
    assert logging.getLogger().level == before


@pytest.mark.parametrize(
    ("job", "offered"),
    [("prepare", True), ("license-filter", True), ("dedup", False), ("tokenize", False)],
)
def test_only_jobs_that_read_inputs_can_retry_failed_ones(
    corpus: Path, job: str, offered: bool
) -> None:
    assert ("--retry-failed" in call(job, "--help")[1]) == offered
    if not offered:
        assert call(job, str(corpus), "--retry-failed", *ONE)[0] == 2
