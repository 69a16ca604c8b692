import pytest

from filters.quality.comments import comment_share
from filters.quality.html_text import visible_text
from filters.quality.registry import apply, settings
from tests.filters.quality.batches import make_batch

PAGE = "<html><body><p>" + "Some words that people read. " * 6 + "</p></body></html>"


@pytest.mark.parametrize(
    ("page", "rule"),
    [
        (PAGE, None),
        ("<p>" + "x y " * 25 + "z" + "</p>", None),
        ("<p>" + "x y " * 25 + "</p>", "min_html_characters"),
        (PAGE + "<script>" + "var a;" * 200 + "</script>", "min_html_share"),
        ("<a b=c>" * 20 + "<style>" + "p { color: red }" * 40 + "</style>", "min_html_characters"),
    ],
)
def test_pages_with_little_visible_text_are_rejected(page, rule):
    lax = settings({"max_mean_line_length": False, "max_line_length": False})
    assert list(apply(lax, make_batch([page], "html")).rule) == [rule]
    assert list(apply(lax, make_batch([page], "php")).rule) == [None]


def test_a_page_that_cannot_be_parsed_has_its_own_rule(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a parser's own check")

    monkeypatch.setattr("bs4.BeautifulSoup", refuse)
    outcome = apply(settings({"max_mean_line_length": False}), make_batch([PAGE], "html"))
    assert list(outcome.rule) == ["html_parsed"]
    assert visible_text(make_batch([PAGE], "html")).parsed[0] == 0


def test_deeply_nested_pages_have_a_verdict():
    result = visible_text(make_batch(["<div>" * 3000 + "x", "<" * 5000, "<![CDATA[ <!"], "html"))
    assert set(result.parsed) <= {0, 1}


def test_shares_of_comments_are_measured_if_the_table_names_them():
    sources = {
        "python": ('"""Say it."""\nx = 1  # one\n', 18),
        "java": ("int x; // one\n/* two */", 15),
        "javascript": ("x // one", 6),
    }
    for component, (text, comments) in sources.items():
        assert comment_share(make_batch([text], component))[0] == pytest.approx(
            comments / len(text)
        )
    assert "min_comment_share" not in settings(None)
    asked = settings({"min_comment_share": True, "max_comment_share": 0.5})
    rules = apply(asked, make_batch(["x = 12345\n", "# all of it is said here\n"], "python")).rule
    assert list(rules) == ["min_comment_share", "max_comment_share"]
    assert list(apply(asked, make_batch(["x = 12345\n"], "c")).rule) == [None]
