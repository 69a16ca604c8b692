"""Tags of StarCoderData's texts: which ones the columns of a row confirm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.starcoder_tags import (
    byte_places,
    commit_tags,
    issue_tags,
    notebook_tags,
    split_prefix,
    stars_bucket,
)

name = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1)


@given(name, name, st.none() | st.integers(0, 10**6), st.sets(st.integers(0, 2)), st.text())
def test_a_written_prefix_is_split_off(repository, path, stars, fields, text):
    values = (repository, path, stars_bucket(stars))
    pairs = [
        (tag, values[field])
        for field, tag in enumerate(("<reponame>", "<filename>", "<gh_stars>"))
        if field in fields
    ]
    line = "".join(tag + value for tag, value in pairs)
    if not line:
        return
    prefix = split_prefix(f"{line}\n{text}", repository, path, stars)
    assert "".join(prefix.parts) == f"{line}\n" and prefix.text == text
    assert prefix.parts[::2] == [tag for tag, _ in pairs]


@pytest.mark.parametrize(
    ("stars", "bucket"),
    [(None, "0"), (0, "0"), (1, "1-10"), (10, "1-10"), (100, "10-100"), (101, "100-1000")],
)
def test_buckets_of_stars_are_those_of_the_program(stars, bucket):
    assert stars_bucket(stars) == bucket and stars_bucket(1001) == "1000+"


OWN_TEXT = [
    "",
    "x = 1\n",
    " <reponame>a/b\nx",
    "<reponame>",
    "<reponame>a/b",
    "<reponame>\nx",
    "<filename>\n",
    "<gh_stars>7\nx",
    "<gh_stars>1-10\nx",
    "<gh_stars>0<reponame>a/b\nx",
    "<reponame>other/one\nx",
    "<filename>photo.png</filename>\n",
    "<reponame>a/b<filename>elsewhere.py\nx",
]


@pytest.mark.parametrize("content", OWN_TEXT)
def test_a_prefix_that_the_columns_do_not_confirm_is_text(content):
    assert split_prefix(content, "a/b", "c.py", None) == ([], content)
    assert split_prefix(content, None, None, 12) == ([], content)


COMMIT = "<commit_before>a<commit_msg>m<commit_after>b"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (COMMIT, [0, 16, 29]),
        ("<commit_before><commit_msg>m<commit_after>b", [0, 15, 28]),  # a new file
        ("<commit_before>a<commit_msg>m<commit_after>", [0, 16, 29]),  # a deleted file
        (COMMIT.replace("a<", "<reponame>x<"), [0, 26, 39]),
        (COMMIT + "<commit_after>", []),
        (" " + COMMIT, []),
        ("<commit_msg>m<commit_before>a<commit_after>b", []),
        ("x = 1\n", []),
        ("", []),
    ],
)
def test_a_commit_has_each_tag_once_in_its_order(text, places):
    assert commit_tags(text) == places


ISSUE = "<issue_start>Title: t\nusername_0: c<issue_comment>username_1: d<issue_closed>x"


@pytest.mark.parametrize(
    ("text", "events", "count"),
    [
        (ISSUE, 2, 3),
        (ISSUE, 9, 3),
        (ISSUE, 1, 0),
        (ISSUE, 0, 0),
        (ISSUE, None, 0),
        (ISSUE + "<issue_start>", 9, 0),
        (ISSUE + "<issue_closed>", 9, 0),
        ("Title: <issue_start>", 9, 0),
        ("<issue_start>Title: t\nusername_0: <jupyter_code>", 1, 1),
    ],
)
def test_an_issue_has_tags_if_it_has_events(text, events, count):
    assert len(issue_tags(text, events)) == count


CELLS = (
    "<jupyter_text>t<jupyter_code>c<jupyter_output>o<jupyter_code>d<jupyter_output><empty_output>"
)


@pytest.mark.parametrize(
    ("text", "cells", "count"),
    [
        ("<jupyter_start>" + CELLS, 2, 7),
        ("<jupyter_start>" + CELLS, 1, 0),
        ("<jupyter_start>" + CELLS, None, 0),
        ("<jupyter_start>", 0, 0),
        ("<jupyter_start>", 3, 0),
        ("<jupyter_start><jupyter_text>t", 1, 0),
        ("<jupyter_start><empty_output><jupyter_code>c", 1, 0),
        (CELLS, 2, 0),
        ("# about <jupyter_code>", 5, 0),
    ],
)
def test_a_notebook_has_tags_if_it_has_cells_in_order(text, cells, count):
    assert len(notebook_tags(text, cells)) == count


@given(st.text(), st.data())
def test_places_of_bytes_are_those_of_characters(text, data):
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=1)))
    result = byte_places(text, places)
    assert result == [len(text[:place].encode()) for place in places]
    assert byte_places(text, []) is None
