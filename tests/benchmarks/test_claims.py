"""Claims: what a benchmark prints, and the page that is made of it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.__main__ import names, results
from benchmarks.claims import Claim, main, medians

CLAIM = Claim("reading, tokens a second", ours=900.0, peer=200.0, goal=4.0, packages=("numpy",))


def run(monkeypatch: pytest.MonkeyPatch, found: Sequence[Claim], *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["read", "--data", "corpus", *options])
    main("benchmarks.read", lambda _: found)


def test_one_claim_is_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run(monkeypatch, [CLAIM], "--json")
    plain = json.loads(capsys.readouterr().out)
    assert list(plain) == [
        "claim", "ours", "peer", "ratio", "goal", "met", "machine", "versions", "command",
    ]  # fmt: skip
    assert (plain["ratio"], plain["met"]) == (4.5, True)
    assert plain["command"] == "python -m benchmarks.read --data corpus --json"


def test_several_claims_are_a_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run(monkeypatch, [CLAIM, CLAIM], "--json")
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_goal_that_is_missed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run(monkeypatch, [Claim("slow", 1.0, 2.0, 1.0, ())])
    assert "missed" in capsys.readouterr().out


def test_results_have_a_line_for_each_claim_and_the_machine_once():
    plain = CLAIM.plain("python -m benchmarks.read --json")
    page = results([plain, plain])
    assert page.count("| reading, tokens a second | 900.0 | 200.0 | 4.5 | 4.0 | yes |") == 2
    assert page.count("Machine: ") == 1


def test_medians_take_turns():
    order: list[str] = []

    def work(name: str, values: list[float]) -> float:
        order.append(name)
        return values[order.count(name) - 1]

    found = medians(3, lambda: work("a", [1, 9, 2]), lambda: work("b", [5, 4, 6]))
    assert found == [2, 5]
    assert order == ["a", "b"] * 3


def test_every_benchmark_can_be_run_by_itself():
    here = Path(__file__).parent.parent.parent / "benchmarks"
    assert "read_shards" in names()
    for name in names():
        assert f'main("benchmarks.{name}"' in (here / f"{name}.py").read_text()
