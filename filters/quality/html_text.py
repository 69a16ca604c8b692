"""Visible text of HTML pages: pages with little of it are markup and script."""

import warnings
from typing import NamedTuple

import numpy as np

from filters.quality.batch import Batch, Scores

HIDDEN = ("script", "style")


class VisibleText(NamedTuple):
    """Visible text of n pages, float64 [n] each.

    Attributes:
        characters: characters of the visible text; NaN for a page that is not parsed.
        share: share of all characters; NaN for a page that is not parsed.
        parsed: 1, or 0 if the parser rejects the page.
    """

    characters: Scores
    share: Scores
    parsed: Scores


def visible_text(batch: Batch) -> VisibleText:
    """Parse each page. Scores call `batch.once(visible_text)`."""
    pages = [page or "" for page in batch.texts.to_pylist()]
    lengths = [_visible_characters(page) for page in pages]
    characters = np.array([np.nan if length is None else length for length in lengths], float)
    sizes = np.array([max(len(page), 1) for page in pages], float)
    return VisibleText(characters, characters / sizes, 1.0 - np.isnan(characters))


def html_parsed(batch: Batch) -> Scores:
    """Score: 1 if Beautiful Soup parses the page, else 0.

    Default: at least 1 (bigcode-dataset preprocessing/filtering.py, `filter_html`, drops pages
    that are not parsed).
    """
    return batch.once(visible_text).parsed


def html_share(batch: Batch) -> Scores:
    """Score: share of the visible text, without script and style; NaN if not parsed.

    Default: at least 0.2 (StarCoder, bigcode-dataset preprocessing/filtering.py, `filter_html`,
    which requires more than 0.2).
    """
    return batch.once(visible_text).share


def html_characters(batch: Batch) -> Scores:
    """Score: characters of the visible text; NaN if not parsed.

    Default: at least 101 (`filter_html` requires more than 100).
    """
    return batch.once(visible_text).characters


def _visible_characters(page: str) -> int | None:
    """Return the length of `soup.get_text()`, or None if the page cannot be parsed."""
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
