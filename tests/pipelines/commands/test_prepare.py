"""`stackpile prepare` and its jobs, as people and programs call them."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipelines import commands

ONE = ["--", "--direct_num_workers=1"]


def call(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.stdout


def test_plan_says_what_there_is_to_do(corpus: Path) -> None:
    code, out = call("plan", str(corpus), "--json")
    assert code == 0
    assert {name: source["parts"] for name, source in json.loads(out).items()} == {
        "the-stack": 2,
        "starcoderdata": 1,
        "pile": 1,
    }
    assert "starcoderdata" in call("plan", str(corpus))[1]


def test_jobs_run_one_by_one_as_they_do_together(corpus: Path, tmp_path: Path) -> None:
    whole = str(tmp_path / "whole")
    code, out = call("prepare", str(corpus), "--out", whole, "--json", *ONE)
    assert code == 0
    together = json.loads(out)
    assert list(together) == ["license_filter", "dedup", "tokenize"]
    for job in ("license-filter", "dedup", "tokenize"):
        single = json.loads(call(job, str(corpus), "--json", *ONE)[1])
        ((name, told),) = single.items()
        assert told["totals"] == together[name]["totals"]
        assert told["rejected"] == together[name]["rejected"]


def test_people_get_a_table(corpus: Path) -> None:
    code, out = call("prepare", str(corpus), *ONE)
    assert code == 0
    assert "license_filter" in out and "MB/s" in out and "exact 2" in out


def test_help_names_what_each_job_does() -> None:
    for job in ("prepare", "plan", "license-filter", "dedup", "tokenize"):
        assert call(job, "--help")[0] == 0


def test_a_job_without_the_one_before_it_says_so(corpus: Path) -> None:
    with pytest.raises(Exception, match=r"license_filter/manifest\.json: there is no such file"):
        call("dedup", str(corpus), *ONE)


@pytest.mark.parametrize(
    ("job", "offered"),
    [("prepare", True), ("license-filter", True), ("dedup", False), ("tokenize", False)],
)
def test_failed_inputs_are_tried_again_where_inputs_are_read(
    corpus: Path, job: str, offered: bool
) -> None:
    assert ("--retry-failed" in call(job, "--help")[1]) == offered
    if not offered:
        assert call(job, str(corpus), "--retry-failed", *ONE)[0] == 2
