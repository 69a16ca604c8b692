"""Component names: one slug for each language and pile set, whoever spells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.components import SLUG, slug, table
from manifests.errors import DataError

PILE = (
    "Pile-CC", "PubMed Central", "Books3", "OpenWebText2", "ArXiv", "Github", "FreeLaw",
    "StackExchange", "USPTO Backgrounds", "PubMed Abstracts", "Gutenberg (PG-19)",
    "OpenSubtitles", "Wikipedia (en)", "DM Mathematics", "Ubuntu IRC", "BookCorpus2", "EuroParl",
    "HackerNews", "YoutubeSubtitles", "PhilPapers", "NIH ExPorter", "Enron Emails",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C++", "cpp"), ("c++", "cpp"), ("cpp", "cpp"), ("C", "c"), ("C#", "c-sharp"),
        ("c-sharp", "c-sharp"), ("F#", "f-sharp"), ("Common Lisp", "common-lisp"),
        ("Visual Basic", "visual-basic"), ("Objective-C++", "objective-cpp"),
        ("Objective-C", "objective-c"), ("HTML+Django", "html-django"),
        ("html_django", "html-django"), ("Graphviz (DOT)", "graphviz-dot"),
        ("Cap'n Proto", "capn-proto"), ("Ren'Py", "renpy"), ("Wikipedia (en)", "wikipedia-en"),
        ("Gutenberg (PG-19)", "gutenberg-pg-19"), ("reStructuredText", "restructuredtext"),
    ],
)  # fmt: skip
def test_published_names(name, expected):
    assert slug(name) == expected


def test_the_pile_has_its_22_sets_and_their_epochs():
    epochs = table().pile_epochs
    assert set(epochs) == {slug(name) for name in PILE}
    assert len(epochs) == 22
    assert epochs["wikipedia-en"] == 3.0
    assert epochs["gutenberg-pg-19"] == 2.5


def test_languages_are_slugs_of_themselves():
    assert len(table().languages) == 360
    assert {"cpp", "c-sharp", "f-sharp", "common-lisp", "visual-basic"} <= table().languages
    assert all(slug(name) == name for name in table().languages)
    assert all(SLUG.fullmatch(value) for value in table().exceptions.values())


@given(st.text())
def test_a_slug_is_its_own_slug(name):
    try:
        result = slug(name)
    except DataError:
        return
    assert SLUG.fullmatch(result)
    assert slug(result) == result


def test_a_name_without_letters_is_refused():
    with pytest.raises(DataError, match="'&&'"):
        slug("&&")


def test_the_table_is_versioned():
    assert len(table().digest) == 64
    assert slug("C#") == "c-sharp"
