"""ScanCode's detector, in this process: which licenses a text names, and by which rules."""

from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

PACKAGE = "scancode-toolkit"


class Match(NamedTuple):
    """A license that ScanCode found in a text.

    Attributes:
        expression: in ScanCode's own keys, "gpl-2.0-plus".
        rule: the rule that matched, "gpl-2.0-plus_44.RULE".
        score: ScanCode's, 0 to 100: how much of the rule was found, times the rule's relevance.
        clue: the rule is a mere hint: a tag, a bare name, an introduction.
    """

    expression: str
    rule: str
    score: float
    clue: bool


@lru_cache(maxsize=1)
def detector_version() -> str:
    """Return the version of ScanCode that is installed, without loading it."""
    return version(PACKAGE)


@lru_cache(maxsize=1)
def load_index() -> Any:
    """Load ScanCode's index: about 6 s and 400 MB, once a process.

    It gives ScanCode's matches, a dozen times as fast on legal passages (`candidates`).
    """
    from licensedcode.cache import get_index

    from filters.scancode.candidates import FastIndex

    return FastIndex(get_index())


def detect(text: str) -> list[Match]:
    """Return what ScanCode finds in a text, in its order.

    `licensedcode.index.LicenseIndex.match` with its own defaults: hash, SPDX lines, exact and
    approximate matches, false positives left out.
    """
    found = load_index().match(query_string=text)
    return [as_match(match) for match in found]


def as_match(match: Any) -> Match:
    """Return what counts of ScanCode's own match."""
    rule = match.rule
    clue = rule.is_license_clue or rule.is_license_intro or rule.has_unknown
    return Match(rule.license_expression, rule.identifier, float(match.score()), bool(clue))
