import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.starcoder_prefix import STARS, parse_prefix

name = st.text(st.characters(exclude_characters="\n<", exclude_categories=["Cs"]), min_size=1)


@given(st.none() | name, st.none() | name, st.none() | st.sampled_from(STARS), st.text())
def test_a_written_prefix_is_parsed_back(repository, path, stars, text):
    line = "".join(
        tag + piece
        for tag, piece in (("<reponame>", repository), ("<filename>", path), ("<gh_stars>", stars))
        if piece is not None
    )
    if not line:
        return
    content = f"{line}\n{text}"
    assert parse_prefix(content) == (repository, path, stars, text)
    assert parse_prefix(content, repository, path) == (repository, path, stars, text)


OWN_TEXT = [
    "",
    "x = 1\n",
    " <reponame>a\nx",
    "<reponame>",
    "<reponame>a/b",
    "<reponame>\nx",
    "<filename>\n",
    "<gh_stars>7\nx",
    "<gh_stars>1000+ \nx",
    "<gh_stars>0<reponame>a\nx",
    "<reponame>other/one\nx",
    "<filename>photo.png</filename>\n",
    "<reponame>a/b<filename>elsewhere.py\nx",
]


@pytest.mark.parametrize("content", OWN_TEXT)
def test_a_text_without_a_whole_prefix_is_unchanged(content):
    assert parse_prefix(content, "a/b", "c.py") == (None, None, None, content)


def test_a_path_may_hold_any_character_but_a_line_end():
    content = "<filename>a<b>.py<gh_stars>1-10\n\nx"
    assert parse_prefix(content, "r", "a<b>.py") == (None, "a<b>.py", "1-10", "\nx")
