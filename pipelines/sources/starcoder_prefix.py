"""The metadata that StarCoderData writes before about half of its texts.

`<reponame>R<filename>P<gh_stars>B` and a line end. Each field is present with probability 0.2,
independently of the others (bigcode-dataset preprocessing/add_content_with_meta.py).
"""

from typing import NamedTuple

TAGS = ("<reponame>", "<filename>", "<gh_stars>")

STARS = ("0", "1-10", "10-100", "100-1000", "1000+")
"""Buckets of a star count (the same file, get_num_stars_bucket); unknown counts are "0"."""


class Prefix(NamedTuple):
    """The fields of a prefix, None for a missing field, and the text without the prefix."""

    repository: str | None
    path: str | None
    stars: str | None
    text: str


def parse_prefix(content: str, repository: str | None = None, path: str | None = None) -> Prefix:
    """Split the prefix from a `content` of StarCoderData.

    Args:
        content: the column `content`.
        repository: the row's `max_stars_repo_name`, if known. The prefix was made from this column,
            so a field with another repository belongs to the file's own text.
        path: the row's `max_stars_repo_path`, likewise.

    Returns:
        The fields and the text; no fields and the content if it does not start with a prefix.
    """
    plain = Prefix(None, None, None, content)
    if not content.startswith(TAGS):
        return plain
    line, newline, text = content.partition("\n")
    fields: dict[str, str] = {}
    for tag in reversed(TAGS):
        before, separator, value = line.rpartition(tag)
        if separator:
            line, fields[tag] = before, value
    if line or not newline:
        return plain
    name, file, stars = map(fields.get, TAGS)
    if stars not in (None, *STARS) or _differ(name, repository) or _differ(file, path):
        return plain
    return Prefix(name, file, stars, text)


def _differ(field: str | None, column: str | None) -> bool:
    """Return whether a field of the prefix is empty or contradicts its column."""
    return field is not None and (not field or (column is not None and field != column))
