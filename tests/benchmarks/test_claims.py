"""Claims: what a benchmark prints, and the page that is made of it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.__main__ import names, results
from benchmarks.claims import ROOT, Claim, commit, main, medians

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
        "claim", "ours", "peer", "ratio", "goal", "met", "commit", "machine", "versions",
        "command",
    ]  # fmt: skip
    assert (plain["ratio"], plain["met"]) == (4.5, True)
    assert plain["command"] == "python -m benchmarks.read --data corpus --json"


@pytest.mark.parametrize(
    ("ours", "goal", "ratio", "met"),
    [(3.0, 100.0, None, True), (0.0, 0.99, 1.0, True), (0.0, 2.0, 1.0, False)],
)
def test_a_peer_that_does_nothing_is_beaten_by_whoever_does_something(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ours: float,
    goal: float,
    ratio: float | None,
    met: bool,
):
    claim = Claim("precision", ours, 0.0, goal, ())
    run(monkeypatch, [claim], "--json")
    plain = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (plain["ratio"], plain["met"]) == (ratio, met)
    words = "infinite" if ratio is None else "1.0"
    assert f"| {ours} | 0.0 | {words} | {goal} |" in results({"read": [plain]})
    run(monkeypatch, [claim])
    assert f"ratio {words}, goal {goal}: {'met' if met else 'missed'}" in capsys.readouterr().out


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


def test_results_have_a_section_for_each_benchmark_and_a_line_for_each_claim():
    plain = CLAIM.plain("python -m benchmarks.read --json")
    page = results({"read": [plain, plain], "write": [plain]})
    assert page.count("| reading, tokens a second | 900.0 | 200.0 | 4.5 | 4.0 | yes |") == 3
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## read", "## write"]
    assert page.count("`python -m benchmarks.read --json` at commit ") == 2


def test_a_claim_names_the_commit_that_it_measured():
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert commit().rstrip("+") == head[:7]


def test_medians_take_turns():
    order: list[str] = []

    def work(name: str, values: list[float]) -> float:
        order.append(name)
        return values[order.count(name) - 1]

    result = medians(3, lambda: work("a", [1, 9, 2]), lambda: work("b", [5, 4, 6]))
    assert result == [2, 5]
    assert order == ["a", "b"] * 3


def test_benchmarks_are_the_modules_that_measure_and_none_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "slow.py").write_text("import nothing_like_it\n\ndef measure(data):\n    pass\n")
    (tmp_path / "helper.py").write_text("from benchmarks.slow import measure\n")
    monkeypatch.setattr(benchmarks, "HERE", tmp_path)
    assert names() == ["slow"]


def test_every_benchmark_can_be_run_by_itself():
    here = Path(__file__).parent.parent.parent / "benchmarks"
    assert "read_shards" in names()
    for name in names():
        assert f'main("benchmarks.{name}"' in (here / f"{name}.py").read_text()
