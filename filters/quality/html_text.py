"""Pages that are all markup and script: what a reader of the page would see."""

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality.batch import Batch

Scores = npt.NDArray[np.float64]

HIDDEN = ("script", "style")


class Visible(NamedTuple):
    """Of each page, float64 [n]; the first two are NaN where it cannot be parsed.

    Attributes:
        characters: of the visible text.
        share: of all characters.
        parsed: 1, or 0 where the parser refuses.
    """

    characters: Scores
    share: Scores
    parsed: Scores


def visible(batch: Batch) -> Visible:
    """Parse each page; filters ask through `batch.once(visible)`."""
    found = np.full((3, len(batch.components)), np.nan)
    for i, page in enumerate(batch.texts.to_pylist()):
        characters = _visible_characters(page or "")
        found[:, i] = (
            (np.nan, np.nan, 0)
            if characters is None
            else (characters, characters / max(len(page or ""), 1), 1)
        )
    return Visible(*found)


def html_parsed(batch: Batch) -> Scores:
    """Score: 1 where Beautiful Soup parses the page, else 0.

    Default: at least 1. StarCoder drops the others too, without saying so.
    """
    return batch.once(visible).parsed


def html_share(batch: Batch) -> Scores:
    """Score: share of the visible text, script and style left out; NaN where it is not parsed.

    Default: at least 0.2 (StarCoder, bigcode-dataset preprocessing/filtering.py, `filter_html`,
    which asks for more than that).
    """
    return batch.once(visible).share


def html_characters(batch: Batch) -> Scores:
    """Score: characters of the visible text; NaN where it is not parsed.

    Default: at least 101: `filter_html` asks for more than 100.
    """
    return batch.once(visible).characters


def _visible_characters(page: str) -> int | None:
    """Return the length of what `soup.get_text()` gives, None where the page cannot be parsed."""
    from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning
    from bs4.exceptions import ParserRejectedMarkup

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
            warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
            soup = BeautifulSoup(page, features="html.parser")
            for hidden in soup(HIDDEN):
                hidden.extract()
            return len(soup.get_text())
    except (ParserRejectedMarkup, AssertionError, RecursionError, TypeError, ValueError):
        return None
