"""Output: control characters of texts, paths and names never reach a terminal."""

import json

import pytest
from rich.console import Group

from manifests.console.output import numbers_table, print_answer, print_json, printable, unwrapped
from pipelines.inspect.clusters import render_clusters
from pipelines.inspect.diff import render_diff
from pipelines.inspect.document import render_document

EVIL = "\x1b]0;title\x07\x1b[2Jred\x9b31m\x7f"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\r", "a\nb"),
        ("a\rb", "a\ufffdb"),
        ("\x1b[31mred", "\ufffd[31mred"),
        ("\x9b31m\x00\x7f", "\ufffd31m\ufffd\ufffd"),
        ("if\u202e abc\u2066", "if\ufffd abc\ufffd"),
        ("größe\u3000中文\u00a0👩\u200d💻", "größe\u3000中文\u00a0👩\u200d💻"),
        ("\ud800", "\ufffd"),
    ],
)
def test_control_characters_are_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert unwrapped(text).plain == shown


def assert_no_control_characters(printed: str) -> None:
    assert "2Jred" in printed
    for command in "\x1b\x07\x9b\x7f":
        assert command not in printed


def test_text_and_tables_print_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(EVIL)
    table = numbers_table("names", "", "files")
    table.add_row(EVIL, "1")
    print_answer(Group(table))
    printed = capsys.readouterr().out
    assert_no_control_characters(printed)
    assert printed.count("2Jred") == 2


def test_a_diff_prints_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    shards: dict[str, object] = {"same": 1, "removed": [], "added": []}
    values = {"before": "a", "after": "b", "same": False, "config": {EVIL: [EVIL, None]}}
    print_answer(
        render_diff({**values, "totals": {}, "funnel": {}, "failed": {}, "shards": shards})
    )
    printed = capsys.readouterr().out
    assert_no_control_characters(printed)
    assert printed.count("2Jred") == 2


def test_json_escapes_control_characters_and_keeps_every_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = {"path": EVIL, "text": "größe\n\u202e\ud800"}
    print_json(values)
    printed = capsys.readouterr().out
    assert_no_control_characters(printed)
    assert json.loads(printed) == values and "größe" in printed and "\u202e" not in printed


def test_a_document_prints_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {
        "id": "0" * 32,
        "why": f"kept ({EVIL})",
        "forgotten": False,
        "origin": {"path": EVIL, "repositories": [EVIL]},
        "occurrences": [],
        "shards": [],
        "text": f"first\tline\n{EVIL}",
        "text_from": "documents",
    }
    print_answer(render_document(shown))
    printed = capsys.readouterr().out
    assert_no_control_characters(printed)
    assert "first   line\n" in printed


def test_clusters_print_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    one = {"id": "0" * 32, "component": "a/b", "path": EVIL, "text": "x"}
    cluster = {
        "size": 2,
        "rule": "minhash",
        "similarity": 0.9,
        "stays": {**one, "text": f"same\n{EVIL}"},
        "goes": {**one, "text": f"same\n{EVIL}!"},
    }
    print_answer(render_clusters({"largest": [cluster], "sample": []}))
    printed = capsys.readouterr().out
    assert_no_control_characters(printed)
    assert printed.count("2Jred") == 4
