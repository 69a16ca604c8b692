"""The tags of StarCoderData's texts, and which of them a row's columns confirm.

The tags are literal text, so a program that speaks of `<reponame>` looks the same. A tag counts as
one only if the columns of its row confirm it; all others are text.
"""

import re
from typing import NamedTuple

TAG = re.compile(
    "<(?:reponame|filename|gh_stars|issue_start|issue_comment|issue_closed|jupyter_start"
    "|jupyter_text|jupyter_code|jupyter_output|empty_output|commit_before|commit_msg|commit_after)>"
)
"""The tags of the data set (bigcode-dataset preprocessing/)."""

PREFIX_TAGS = ("<reponame>", "<filename>", "<gh_stars>")

COMMIT_TAGS = ["<commit_before>", "<commit_msg>", "<commit_after>"]

NOTEBOOK_TAGS = (
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>"),
    "<empty_output>",
)

CELL = "(?:<jupyter_text>)?<jupyter_code>(?:<jupyter_output>(?:<empty_output>)?)?"
NOTEBOOK = re.compile(f"<jupyter_start>((?:{CELL})+)")
"""The order of tags in a notebook with at least one cell of code."""


class Prefix(NamedTuple):
    """The metadata before a text of StarCoderData's code, and the text without it.

    Attributes:
        parts: tags and what follows each of them, alternating; empty without a prefix.
        text: the text.
    """

    parts: list[str]
    text: str


def stars_bucket(stars: int | None) -> str:
    """Return the bucket of a star count (preprocessing/add_content_with_meta.py); None is 0."""
    limits = ((0, "0"), (10, "1-10"), (100, "10-100"), (1000, "100-1000"))
    return next((name for limit, name in limits if (stars or 0) <= limit), "1000+")


def split_prefix(
    content: str, repository: str | None, path: str | None, stars: int | None
) -> Prefix:
    r"""Split the prefix from a `content` of StarCoderData's code.

    The prefix is `<reponame>R<filename>P<gh_stars>B\n`; each field is there with probability 0.2.

    Args:
        content: the column `content`.
        repository: the row's `max_stars_repo_name`, from which R was made.
        path: the row's `max_stars_repo_path`, from which P was made.
        stars: the row's `max_stars_count`, from which B was made.

    Returns:
        The prefix, or no parts and the content where the columns do not confirm every field.
    """
    values = (repository, path, stars_bucket(stars))
    rest = content
    parts: list[str] = []
    for tag, value in zip(PREFIX_TAGS, values, strict=True):
        if value and rest.startswith(tag + value):
            rest = rest[len(tag) + len(value) :]
            parts += [tag, value]
    if not parts or not rest.startswith("\n"):
        return Prefix([], content)
    return Prefix([*parts[:-1], parts[-1] + "\n"], rest[1:])


def commit_tags(text: str) -> list[int]:
    """Return the places of the tags of a commit, in characters; none unless each is there once."""
    found = [match for match in TAG.finditer(text) if match[0] in COMMIT_TAGS]
    places = [match.start() for match in found]
    is_commit = [match[0] for match in found] == COMMIT_TAGS and places[0] == 0
    return places if is_commit else []


def issue_tags(text: str, events: int | None) -> list[int]:
    """Return the places of the tags of an issue, in characters.

    Args:
        text: the text of the issue.
        events: number of its events. Without events nothing confirms that the text is an issue, and
            more comments than events are quotations of the tag.
    """
    found = [match for match in TAG.finditer(text) if match[0].startswith("<issue_")]
    names = [match[0] for match in found]
    is_issue = (
        names[:1] == ["<issue_start>"]
        and found[0].start() == 0
        and names.count("<issue_start>") == 1
        and names.count("<issue_closed>") <= 1
        and names.count("<issue_comment>") < (events or 0)
    )
    return [match.start() for match in found] if is_issue else []


def notebook_tags(text: str, cells: int | None) -> list[int]:
    """Return the places of the tags of a structured notebook, in characters.

    Args:
        text: the text of the notebook.
        cells: the column `chain_length`; a notebook without cells has no tags.
    """
    found = [match for match in TAG.finditer(text) if match[0] in NOTEBOOK_TAGS]
    order = NOTEBOOK.fullmatch("".join(match[0] for match in found))
    is_notebook = (
        order is not None and found[0].start() == 0 and order[1].count("_code>") <= (cells or 0)
    )
    return [match.start() for match in found] if is_notebook else []


def byte_places(text: str, places: list[int]) -> list[int] | None:
    """Return places of characters as places of bytes of UTF-8; None for no places."""
    if not places:
        return None
    result, start, size = [], 0, 0
    for place in places:
        size += len(text[start:place].encode())
        result.append(size)
        start = place
    return result
