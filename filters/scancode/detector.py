"""ScanCode's detector in this process: the licenses that a text names, and the rules that match."""

from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

PACKAGE = "scancode-toolkit"


class Match(NamedTuple):
    """A license that ScanCode found in a text.

    Attributes:
        expression: license expression in ScanCode's own keys, "gpl-2.0-plus".
        rule: name of the rule that matched, "gpl-2.0-plus_44.RULE".
        score: ScanCode's score, 0 to 100: matched share of the rule, times the rule's relevance.
        clue: whether the rule is a hint only: a tag, a bare name, an introduction.
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
def scancode_index() -> tuple[Any, str | None]:
    """Return ScanCode's index, and a warning if its matches cannot be found faster.

    The first call of a process takes about 6 s and 400 MB. The index finds ScanCode's own matches
    about seven times faster than ScanCode does (`candidates`).
    """
    from licensedcode.cache import get_index

    return accelerated(get_index())


def accelerated(index: Any) -> tuple[Any, str | None]:
    """Return a faster index with the matches of ScanCode's index, or that index and a warning."""
    try:
        from filters.scancode.candidates import fast_index

        return fast_index(index), None
    except (AttributeError, ImportError, LookupError, TypeError, ValueError) as error:
        return index, (
            f"ScanCode {detector_version()} differs inside from the versions that Stackpile makes "
            f"faster, so licenses are detected several times slower ({error})"
        )


def load_index() -> str | None:
    """Load the index and return its warning."""
    return scancode_index()[1]


def detect(text: str) -> list[Match]:
    """Return the matches of a text, in ScanCode's order.

    `licensedcode.index.LicenseIndex.match` with its defaults: hash, SPDX lines, exact and
    approximate matches, without false positives.
    """
    index, _ = scancode_index()
    return [as_match(match) for match in index.match(query_string=text)]


def as_match(match: Any) -> Match:
    """Return the fields of ScanCode's own match that the veto reads."""
    rule = match.rule
    clue = rule.is_license_clue or rule.is_license_intro or rule.has_unknown
    return Match(rule.license_expression, rule.identifier, float(match.score()), bool(clue))
