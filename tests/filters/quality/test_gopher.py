import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.quality.gopher import BULLETS, STOP_WORDS, word_counts
from filters.quality.registry import FILTERS, apply, settings
from tests.filters.quality.batches import make_batch

SPACE = re.compile("[ \t\n\v\f\r]+")
prose = st.lists(
    st.text("aT#.\u2026 \n\té-*9")
    | st.text()
    | st.sampled_from(["The", "of...", "- and\n", " be "])
).map("".join)


def batch(texts, component="pile-cc", genre="prose"):
    return make_batch(texts, component, genre)


@given(st.lists(prose, min_size=1, max_size=4))
def test_counts_are_those_of_a_plain_program(texts):
    result = word_counts(batch(texts))
    for i, text in enumerate(texts):
        expected = [word for word in SPACE.split(text) if word]
        lines = [stripped for line in text.split("\n") if (stripped := line.strip(" \t\v\f\r"))]
        assert result.words[i] == len(expected)
        assert result.characters[i] == sum(map(len, expected))
        assert result.alphabetic[i] == sum(
            any(c > "\x7f" or c.isalpha() for c in word) for word in expected
        )
        lower = {re.sub("[A-Z]", lambda m: m[0].lower(), word) for word in expected}
        assert result.stop[i] == len(lower & set(STOP_WORDS))
        assert result.hashes[i] == text.count("#")
        assert result.ellipses[i] == len(re.findall("\\.\\.\\.|\u2026", text))
        assert result.lines[i] == len(lines)
        assert result.bullets[i] == sum(line.startswith(BULLETS) for line in lines)
        assert result.trailing[i] == sum(line.endswith(("...", "\u2026")) for line in lines)


GOOD = "The rules of prose ask that a page be made of words with a few letters. " * 5


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (GOOD, None),
        (GOOD[:200], "min_words"),
        (GOOD * 2000, "max_words"),
        ("a b " * 30 + "the of", "min_mean_word_length"),
        ("pneumonoultramicroscopic " * 60 + "the of", "max_mean_word_length"),
        (GOOD + "#tag " * 20, "max_symbol_ratio"),
        (GOOD + "wait... " * 20, "max_symbol_ratio"),
        ("- the wordings of every list\n" * 20, "max_bullet_line_share"),
        (
            ("Nine plain words stand in front of this one more teaser with the end...\n" * 5)
            + "And one line of words that ends as it should.\n",
            "max_ellipsis_line_share",
        ),
        (GOOD + "1234 " * 40, "min_alphabetic_word_share"),
        ("Die Regeln fragen nach ganzen Worten und Zeilen. " * 10, "min_stop_words"),
    ],
)
def test_each_rule_rejects_a_page(text, rule):
    assert list(apply(settings(None), batch([text])).rule) == [rule]


def test_the_rules_act_on_web_pages_only():
    thresholds = settings(None)
    for genre, component, acts in [
        ("prose", "openwebtext2", True),
        ("prose", "web", True),
        ("prose", "dm-mathematics", False),
        ("prose", "documents", False),
        ("code", "web", False),
        ("code", "markdown", False),
    ]:
        rules = list(apply(thresholds, batch(["few words"], component, genre)).rule)
        assert rules == ["min_words" if acts else None], component


def test_a_batch_without_words_has_scores():
    scores = apply(settings(None), batch(["", None])).scores
    assert all(
        score[1] in (0, 1)
        for name, score in scores.items()
        if FILTERS[name].score.__module__ == "filters.quality.gopher"
    )
