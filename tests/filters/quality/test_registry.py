import json
import re
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.quality.batch import Batch
from filters.quality.registry import FILTERS, apply, check, first_rule, settings
from tests.filters.quality.batches import make_batch

SAMPLES = Path(__file__).parents[4] / "shared/data/samples"
STACK_ROWS = SAMPLES / "croissant_bigcode-the-stack_default.jsonl"

some_texts = st.lists(
    st.text() | st.text("a_9 \n\r\x85éŁя漢한\U0001d538٣²\u0301\xa0😀-\0\ufffd"),
    min_size=1,
    max_size=6,
)


OLDEST = ("empty", "longest_line", "mean_line", "alphanumeric")
OTHERS = {name: False for name in FILTERS if name not in OLDEST}


def rules(texts, config=None, **names):
    thresholds = settings({**OTHERS, **(config or {})})
    return list(apply(thresholds, make_batch(texts, **names)).rule)


@given(some_texts)
def test_scores_are_the_stacks_formulas(texts):
    scores = {name: FILTERS[name].score(make_batch(texts)) for name in FILTERS}
    for i, text in enumerate(texts):
        lines = text.split("\n")
        assert scores["longest_line"][i] == max(map(len, lines))
        assert scores["mean_line"][i] == len(text) / len(lines)
        words = len(re.findall(r"\w", text))
        assert scores["alphanumeric"][i] == words / max(len(text), 1)
        # What Python 3 calls whitespace but Unicode does not: the separators \x1c to \x1f.
        if not re.search("[\x1c-\x1f]", text):
            assert scores["empty"][i] == len(text.strip())
        assert scores["near_empty"][i] == words
        assert scores["alphabetic"][i] == sum(map(str.isalpha, text)) / max(len(text), 1)
        assert scores["min_data_size"][i] == len(text)
        controls = [c for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n\v\f\r"]
        lost = text.count("\ufffd")
        assert scores["control_characters"][i] == (len(controls) + lost) / max(len(text), 1)


@pytest.mark.skipif(not STACK_ROWS.exists(), reason="the ten rows of The Stack are not here")
def test_scores_equal_the_columns_of_the_stack():
    rows = [json.loads(line) for line in STACK_ROWS.read_text("utf-8").splitlines() if line]
    columns = {
        "longest_line": "max_line_length",
        "mean_line": "avg_line_length",
        "alphanumeric": "alphanum_fraction",
        "min_data_size": "size",
    }
    assert len(rows) == 10
    given = make_batch([row["content"] for row in rows])
    for name, column in columns.items():
        expected = [float(row[column]) for row in rows]
        np.testing.assert_allclose(FILTERS[name].score(given), expected, rtol=1e-9)


TABLE = [
    ("x = 12345\n", {}, None),
    ("", {}, "empty"),
    (" \n\t\u2003\n", {}, "empty"),
    (" \n", {"genre": "prose", "component": "wikipedia-en"}, "empty"),
    ("a" * 1000, {"config": {"mean_line": False}}, None),
    ("a" * 1001, {}, "longest_line"),
    ("a" * 1001, {"component": "markdown"}, None),
    ("a" * 1001, {"component": "sql"}, None),
    ("a" * 1001, {"genre": "prose", "component": "pile-cc"}, None),
    ("a" * 1001, {"genre": "code", "component": "github"}, "longest_line"),
    ("a" * 1001, {"genre": "prose", "component": "documents"}, None),
    ("a" * 1001, {"genre": "code", "component": "python"}, "longest_line"),
    ("a" * 1001, {"genre": "prose", "component": "text"}, None),
    ("a" * 101, {}, "mean_line"),
    ("a" * 100, {}, None),
    ("é" * 100, {}, None),
    ("漢" * 100, {"config": {"mean_line": 99}}, "mean_line"),
    ("a---", {}, None),
    ("a----", {}, "alphanumeric"),
    ("a----", {"component": "sas"}, None),
    ("a----", {"component": "markdown"}, "alphanumeric"),
    ("a----", {"genre": "prose", "component": "markdown"}, None),
    ("a----", {"config": {"alphanumeric": 0.2}}, None),
    ("a----", {"config": {"alphanumeric": False}}, None),
    ("a----", {"config": {"alphanumeric": True}}, "alphanumeric"),
    ("a" * 80, {"config": {"longest_line": 79}}, "longest_line"),
]


@pytest.mark.parametrize(("text", "names", "rule"), TABLE)
def test_rules(text, names, rule):
    assert rules([text], **names) == [rule]


def test_an_xml_header_is_looked_for_in_a_hundred_characters():
    texts = ["\u00e9" * before + "<?xml version=" for before in (0, 86, 87)]
    assert list(FILTERS["xml_header"].score(make_batch([*texts, None]))) == [1, 1, 0, 0]


def test_a_batch_may_mix_components_and_hold_nulls():
    column = pa.array(["a" * 2000, "a" * 2000, None], pa.large_string())
    mixed = Batch(["code", "prose", "code"], ["github", "pile-cc", "github"], [""] * 3, column)
    outcome = apply(settings(OTHERS), mixed)
    assert list(outcome.rule) == ["longest_line", None, "empty"]
    assert list(outcome.scores) == list(OLDEST)
    assert outcome.scores["longest_line"][0] == 2000
    assert np.isnan(outcome.scores["longest_line"][1])


@given(some_texts)
def test_rules_follow_from_scores_alone(texts):
    thresholds = settings({"longest_line": 3, "empty": False})
    outcome = apply(thresholds, make_batch(texts))
    assert list(first_rule(thresholds, outcome.scores, len(texts))) == list(outcome.rule)


def test_an_empty_make_batch():
    outcome = apply(settings(None), make_batch([]))
    assert len(outcome.rule) == 0 and all(len(score) == 0 for score in outcome.scores.values())


def test_settings():
    published = {name: each.threshold for name, each in FILTERS.items() if each.on}
    assert settings(None) == settings({}) == published
    assert settings({**OTHERS, "mean_line": 50, "empty": False}) == {
        "longest_line": 1000,
        "mean_line": 50,
        "alphanumeric": 0.25,
    }


def test_unknown_filters_are_all_named():
    with pytest.raises(ValueError, match=r"'longest_lin'; did you mean 'longest_line'.*'zzz'"):
        check({"longest_lin": 1, "zzz": True})


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_is_a_number(threshold):
    with pytest.raises(ValueError, match=rf"^mean_line: .* a finite number \(it is {threshold}\)$"):
        check({"mean_line": threshold, "longest_line": 7})


def test_a_file_of_one_line_of_forty_megabytes_ends_in_a_verdict():
    line = '"' + "0123456789abcdef" * 2_500_000 + '"'
    assert rules([line]) == ["longest_line"]
    prose = make_batch([line], component="pile-cc", genre="prose")
    assert list(apply(settings(None), prose).rule) == ["min_words"]
    assert FILTERS["encoded_run"].score(make_batch([line]))[0] == 40_000_000
