import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.quality.batch import Batch
from filters.quality.registry import FILTERS, apply, check, first_rule, settings
from tests.filters.quality.batches import make_batch

some_texts = st.lists(
    st.text() | st.text("a_9 \n\r\x85éŁя漢한\U0001d538٣²\u0301\xa0😀-\0\ufffd"),
    min_size=1,
    max_size=6,
)


OLDEST = ("empty", "max_line_length", "max_mean_line_length", "min_alphanumeric_share")
OTHERS = {name: False for name in FILTERS if name not in OLDEST}


def rules(texts, config=None, **names):
    thresholds = settings({**OTHERS, **(config or {})})
    return list(apply(thresholds, make_batch(texts, **names)).rule)


@given(some_texts)
def test_scores_are_the_stacks_formulas(texts):
    scores = {name: FILTERS[name].score(make_batch(texts)) for name in FILTERS}
    for i, text in enumerate(texts):
        lines = text.split("\n")
        assert scores["max_line_length"][i] == max(map(len, lines))
        assert scores["max_mean_line_length"][i] == len(text) / len(lines)
        words = len(re.findall(r"\w", text))
        assert scores["min_alphanumeric_share"][i] == words / max(len(text), 1)
        # What Python 3 calls whitespace but Unicode does not: the separators \x1c to \x1f.
        if not re.search("[\x1c-\x1f]", text):
            assert scores["empty"][i] == len(text.strip())
        assert scores["min_alphanumerics"][i] == words
        assert scores["min_alphabetic_share"][i] == sum(map(str.isalpha, text)) / max(len(text), 1)
        assert scores["min_data_size"][i] == len(text)
        controls = [c for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n\v\f\r"]
        lost = text.count("\ufffd")
        assert scores["max_control_share"][i] == (len(controls) + lost) / max(len(text), 1)


STACK_ROWS = [
    (
        [(58, 47), (0, 0), (69, 55), (0, 0)],
        {"max_line_length": 69, "avg_line_length": 32.5, "alphanum_fraction": 0.7846153846},
    ),
    (
        [
            *[(72, 0), (22, 17), (72, 0), (19, 17), (0, 0), (24, 22), (24, 22), (0, 0), (19, 16)],
            *[(0, 0), (14, 8), (22, 20), (0, 0)],
        ],
        {
            "max_line_length": 72,
            "avg_line_length": 23.0769230769,
            "alphanum_fraction": 0.4066666667,
        },
    ),
    (
        [
            *[(72, 0), (23, 19), (72, 0), (2, 0), (72, 0), (21, 19), (0, 0), (8, 6), (11, 8)],
            *[(28, 20), (5, 4), (37, 28), (41, 29), (10, 7), (0, 0)],
        ],
        {
            "max_line_length": 72,
            "avg_line_length": 27.7333333333,
            "alphanum_fraction": 0.3365384615,
        },
    ),
]
"""Three files of The Stack: characters and word characters of each line, and the file's columns."""


@pytest.mark.parametrize(("lines", "columns"), STACK_ROWS)
def test_scores_equal_the_columns_of_the_stack(lines, columns):
    text = "\n".join("x" * words + "-" * (length - words) for length, words in lines)
    filters = {
        "max_line_length": "max_line_length",
        "avg_line_length": "max_mean_line_length",
        "alphanum_fraction": "min_alphanumeric_share",
    }
    for column, name in filters.items():
        score = FILTERS[name].score(make_batch([text]))[0]
        assert score == pytest.approx(columns[column], rel=1e-9)


TABLE = [
    ("x = 12345\n", {}, None),
    ("", {}, "empty"),
    (" \n\t\u2003\n", {}, "empty"),
    (" \n", {"genre": "prose", "component": "wikipedia-en"}, "empty"),
    ("a" * 1000, {"config": {"max_mean_line_length": False}}, None),
    ("a" * 1001, {}, "max_line_length"),
    ("a" * 1001, {"component": "markdown"}, None),
    ("a" * 1001, {"component": "sql"}, None),
    ("a" * 1001, {"genre": "prose", "component": "pile-cc"}, None),
    ("a" * 1001, {"genre": "code", "component": "github"}, "max_line_length"),
    ("a" * 1001, {"genre": "prose", "component": "documents"}, None),
    ("a" * 1001, {"genre": "code", "component": "python"}, "max_line_length"),
    ("a" * 1001, {"genre": "prose", "component": "text"}, None),
    ("a" * 101, {}, "max_mean_line_length"),
    ("a" * 100, {}, None),
    ("é" * 100, {}, None),
    ("漢" * 100, {"config": {"max_mean_line_length": 99}}, "max_mean_line_length"),
    ("a---", {}, None),
    ("a----", {}, "min_alphanumeric_share"),
    ("a----", {"component": "sas"}, None),
    ("a----", {"component": "markdown"}, "min_alphanumeric_share"),
    ("a----", {"genre": "prose", "component": "markdown"}, None),
    ("a----", {"config": {"min_alphanumeric_share": 0.2}}, None),
    ("a----", {"config": {"min_alphanumeric_share": False}}, None),
    ("a----", {"config": {"min_alphanumeric_share": True}}, "min_alphanumeric_share"),
    ("a" * 80, {"config": {"max_line_length": 79}}, "max_line_length"),
]


@pytest.mark.parametrize(("text", "names", "rule"), TABLE)
def test_the_first_filter_that_rejects_a_document_is_its_rule(text, names, rule):
    assert rules([text], **names) == [rule]


def test_an_xml_header_is_searched_in_the_first_hundred_characters():
    texts = ["\u00e9" * before + "<?xml version=" for before in (0, 86, 87)]
    assert list(FILTERS["xml_header"].score(make_batch([*texts, None]))) == [1, 1, 0, 0]


def test_a_batch_may_mix_components_and_hold_nulls():
    column = pa.array(["a" * 2000, "a" * 2000, None], pa.large_string())
    mixed = Batch(["code", "prose", "code"], ["github", "pile-cc", "github"], [""] * 3, column)
    outcome = apply(settings(OTHERS), mixed)
    assert list(outcome.rule) == ["max_line_length", None, "empty"]
    assert list(outcome.scores) == list(OLDEST)
    assert outcome.scores["max_line_length"][0] == 2000
    assert np.isnan(outcome.scores["max_line_length"][1])


def test_texts_are_copied_once_for_all_filters_of_the_same_documents(monkeypatch):
    column = pa.array(["some words\n"] * 3, pa.large_string())
    slugs = ["pile-cc", "github", "github"]
    batch = Batch(["prose", "code", "code"], slugs, [""] * 3, column)
    masks, take = [], Batch.take

    def counted(batch, mask):
        masks.append(mask.tolist())
        return take(batch, mask)

    monkeypatch.setattr(Batch, "take", counted)
    apply(settings(None), batch)
    assert [True, False, False] in masks
    assert len(masks) == len(set(map(tuple, masks)))


@given(some_texts)
def test_rules_follow_from_scores_alone(texts):
    thresholds = settings({"max_line_length": 3, "empty": False})
    outcome = apply(thresholds, make_batch(texts))
    assert list(first_rule(thresholds, outcome.scores, len(texts))) == list(outcome.rule)


def test_an_empty_batch_has_empty_scores():
    outcome = apply(settings(None), make_batch([]))
    assert len(outcome.rule) == 0 and all(len(score) == 0 for score in outcome.scores.values())


def test_settings_are_the_defaults_with_the_table_on_top():
    published = {name: item.threshold for name, item in FILTERS.items() if item.on}
    assert settings(None) == settings({}) == published
    assert settings({**OTHERS, "max_mean_line_length": 50, "empty": False}) == {
        "max_line_length": 1000,
        "max_mean_line_length": 50,
        "min_alphanumeric_share": 0.25,
    }


def test_the_error_names_all_unknown_filters():
    with pytest.raises(ValueError, match=r"'min_word'; did you mean 'min_words'.*'zzz'"):
        check({"min_word": 1, "zzz": True})


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_is_not_finite_is_an_error(threshold):
    with pytest.raises(
        ValueError, match=rf"^max_mean_line_length: .* a finite number \(it is {threshold}\)$"
    ):
        check({"max_mean_line_length": threshold, "max_line_length": 7})


def test_a_file_of_one_line_of_forty_megabytes_ends_in_a_verdict():
    line = '"' + "0123456789abcdef" * 2_500_000 + '"'
    assert rules([line]) == ["max_line_length"]
    prose = make_batch([line], component="pile-cc", genre="prose")
    assert list(apply(settings(None), prose).rule) == ["min_words"]
    assert FILTERS["max_encoded_run"].score(make_batch([line]))[0] == 40_000_000


def test_filters_that_no_publication_names_can_be_off_by_default():
    ours = {name for name, filter in FILTERS.items() if not filter.published}
    assert ours == {"language", "min_alphanumerics", "max_control_share"}
    assert settings(None).keys() - settings(None, all_filters=False).keys() == ours
    assert settings({"language": True}, all_filters=False)["language"] == 1


def test_others_false_leaves_the_named_filters_alone():
    assert settings({"others": False}) == {}
    assert settings({"others": False, "max_line_length": 90, "empty": True}) == {
        "empty": 1,
        "max_line_length": 90,
    }
    with pytest.raises(ValueError, match="others: should be false"):
        check({"others": 3})
