"""The metadata that StarCoderData writes before half of its texts.

`<reponame>R<filename>P<gh_stars>B` and a line end; each piece is there with probability 0.2,
independently (bigcode-dataset preprocessing/add_content_with_meta.py).
"""

from typing import NamedTuple

TAGS = ("<reponame>", "<filename>", "<gh_stars>")

STARS = ("0", "1-10", "10-100", "100-1000", "1000+")
"""The buckets of a star count (the same file, get_num_stars_bucket); unknown counts read "0"."""


class Prefix(NamedTuple):
    """What stood before a text, and the text without it; None for a piece that was not there."""

    repository: str | None
    path: str | None
    stars: str | None
    text: str


def parse_prefix(content: str, repository: str | None = None, path: str | None = None) -> Prefix:
    """Take the prefix off a `content` of StarCoderData.

    Args:
        content: the column `content`.
        repository: the row's `max_stars_repo_name` where it is known. The prefix was made of it,
            so a piece that names another one is no prefix but the file's own text.
        path: the row's `max_stars_repo_path`, likewise.

    Returns:
        The pieces, or the content as it is when it does not open with a whole prefix.
    """
    plain = Prefix(None, None, None, content)
    if not content.startswith(TAGS):
        return plain
    line, newline, text = content.partition("\n")
    pieces: dict[str, str] = {}
    for tag in reversed(TAGS):
        before, found, piece = line.rpartition(tag)
        if found:
            line, pieces[tag] = before, piece
    if line or not newline:
        return plain
    name, file, stars = map(pieces.get, TAGS)
    parsed = Prefix(name, file, stars, text)
    if parsed.stars is not None and parsed.stars not in STARS:
        return plain
    if _differ(parsed.repository, repository) or _differ(parsed.path, path):
        return plain
    return parsed


def _differ(piece: str | None, column: str | None) -> bool:
    return piece is not None and (not piece or (column is not None and piece != column))
