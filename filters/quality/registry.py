"""The document filters by name: the score of each, its published default and its scope."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality import extensions, gopher, scope
from filters.quality import text_statistics as text
from filters.quality.batch import Batch, Genre, Scores
from filters.quality.comments import comment_share
from filters.quality.encoded_data import encoded_run, encoded_share
from filters.quality.first_lines import xml_header
from filters.quality.generated import auto_generated, generated
from filters.quality.html_text import html_characters, html_parsed, html_share
from manifests.config import did_you_mean

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filter:
    """A score for each document and a bound on the score.

    Attributes:
        score: Batch of n -> float64 [n]. NaN means that the score is undefined: the filter keeps
            the document.
        bound: the side of the threshold that is kept; the threshold itself is always kept.
        threshold: the default; the docstring of the score names its source.
        scope: whether the filter acts on a document, by genre, component and extension.
        on: whether the filter acts if `[filters]` does not name it.
        published: whether a publication names the filter. The others act by default only on
            published data sets (`SourceLayout.all_filters`).
    """

    score: Callable[[Batch], Scores]
    bound: Literal["at_least", "at_most"]
    threshold: float
    scope: Callable[[Genre, str, str], bool]
    on: bool = True
    published: bool = True

    def keep(self, scores: Scores, threshold: float) -> Mask:
        """Return the mask of the documents that a threshold keeps; NaN is kept."""
        kept = scores >= threshold if self.bound == "at_least" else scores <= threshold
        return kept | np.isnan(scores)

    def acts_on(self, batch: Batch) -> Mask:
        """Return the mask of the documents on which the filter acts."""
        kinds, kind_of_row = batch.once(_document_kinds)
        return np.array([self.scope(*kind) for kind in kinds], bool)[kind_of_row]


def _document_kinds(batch: Batch) -> tuple[list[tuple[Genre, str, str]], npt.NDArray[np.intp]]:
    """Return the distinct (genre, component, extension), and the index of each document's."""
    numbers: dict[tuple[Genre, str, str], int] = {}
    extension_names = map(extensions.extension_of, batch.paths)
    kinds = zip(batch.genres, batch.components, extension_names, strict=True)
    kind_of_row = [numbers.setdefault(kind, len(numbers)) for kind in kinds]
    return list(numbers), np.array(kind_of_row, np.intp)


VERSION = 1
"""Raised when a score changes: the names of parts depend on it, so documents are scored again."""

FILTERS: dict[str, Filter] = {
    "empty": Filter(text.empty, "at_least", 1, scope.everything),
    "min_alphanumerics": Filter(
        text.alphanumerics, "at_least", 5, scope.everything, published=False
    ),
    "max_control_share": Filter(
        text.control_share, "at_most", 0.01, scope.everything, published=False
    ),
    "language": Filter(extensions.language, "at_least", 1, scope.code, published=False),
    "extension": Filter(extensions.extension, "at_least", 1, scope.code),
    "max_line_length": Filter(text.line_length, "at_most", 1000, scope.code_lines),
    "max_mean_line_length": Filter(text.mean_line_length, "at_most", 100, scope.code_lines),
    "min_alphanumeric_share": Filter(text.alphanumeric_share, "at_least", 0.25, scope.code_words),
    "min_alphabetic_share": Filter(text.alphabetic_share, "at_least", 0.25, scope.code_letters),
    "min_data_alphabetic_share": Filter(text.alphabetic_share, "at_least", 0.5, scope.data),
    "min_data_size": Filter(text.data_size, "at_least", 100, scope.data),
    "max_data_size": Filter(text.data_size, "at_most", 5000, scope.data),
    "xml_header": Filter(xml_header, "at_most", 0, scope.not_xml),
    "auto_generated": Filter(auto_generated, "at_most", 0, scope.code),
    "generated": Filter(generated, "at_most", 0, scope.code),
    "max_encoded_run": Filter(encoded_run, "at_most", 1024, scope.code),
    "max_encoded_share": Filter(encoded_share, "at_most", 0.5, scope.code),
    "html_parsed": Filter(html_parsed, "at_least", 1, scope.pages),
    "min_html_characters": Filter(html_characters, "at_least", 101, scope.pages),
    "min_html_share": Filter(html_share, "at_least", 0.2, scope.pages),
    "min_comment_share": Filter(comment_share, "at_least", 0.01, scope.code, on=False),
    "max_comment_share": Filter(comment_share, "at_most", 0.8, scope.code, on=False),
    "min_words": Filter(gopher.words, "at_least", 50, scope.web),
    "max_words": Filter(gopher.words, "at_most", 100_000, scope.web),
    "min_mean_word_length": Filter(gopher.mean_word_length, "at_least", 3, scope.web),
    "max_mean_word_length": Filter(gopher.mean_word_length, "at_most", 10, scope.web),
    "max_symbol_ratio": Filter(gopher.symbol_ratio, "at_most", 0.1, scope.web),
    "max_bullet_line_share": Filter(gopher.bullet_line_share, "at_most", 0.9, scope.web),
    "max_ellipsis_line_share": Filter(gopher.ellipsis_line_share, "at_most", 0.3, scope.web),
    "min_alphabetic_word_share": Filter(gopher.alphabetic_word_share, "at_least", 0.8, scope.web),
    "min_stop_words": Filter(gopher.stop_words, "at_least", 2, scope.web),
}
"""In order of precedence: the rule of a rejection is the first filter that rejects."""

OTHERS = "others"
"""Key of `[filters]`: false turns off the filters that the table does not name."""


class Outcome(NamedTuple):
    """Scores and rejections of a batch of n documents.

    Attributes:
        scores: filter -> float64 [n]; NaN for documents that the filter does not act on.
        rule: object [n], the name of the first filter that rejects the document, or None.
    """

    scores: dict[str, Scores]
    rule: npt.NDArray[np.object_]


def check(config: Mapping[str, float | bool]) -> None:
    """Check the table `[filters]` of CORPUS.toml.

    Raises:
        ValueError: the table names unknown filters or sets thresholds that are not finite; the
            message lists them all.
    """
    faults = []
    for name, threshold in config.items():
        if name == OTHERS:
            if threshold is not False:
                faults.append(f"{OTHERS}: should be false, which turns off the filters not named")
        elif name not in FILTERS:
            faults.append(f"there is no filter {name!r}; {did_you_mean(name, [*FILTERS, OTHERS])}")
        elif not math.isfinite(threshold):
            faults.append(f"{name}: the threshold should be a finite number (it is {threshold})")
    if faults:
        raise ValueError("; ".join(faults))


def settings(
    config: Mapping[str, float | bool] | None, all_filters: bool = True
) -> dict[str, float]:
    """Return the filters that act and their thresholds, in order of precedence.

    Args:
        config: the table `[filters]`: a number is a threshold, false turns a filter off, true
            selects its default. A filter that the table does not name is on or off by default
            (`Filter.on`); with `others = false` it is off.
        all_filters: whether filters that no publication names may be on by default.

    Raises:
        ValueError: as `check`.
    """
    config = config or {}
    check(config)
    on = {
        name: filter.on and (all_filters or filter.published) and OTHERS not in config
        for name, filter in FILTERS.items()
    }
    values = {name: config.get(name, on[name]) for name in FILTERS}
    return {
        name: FILTERS[name].threshold if value is True else float(value)
        for name, value in values.items()
        if value is not False
    }


def identity(config: Mapping[str, float | bool] | None, all_filters: bool = True) -> dict[str, Any]:
    """Return what the verdicts of `settings` depend on, for the digest of a step."""
    thresholds = settings(config, all_filters)
    return {"version": VERSION, "thresholds": thresholds, "tables": extensions.digests()}


def apply(thresholds: Mapping[str, float], batch: Batch) -> Outcome:
    """Score a batch with the filters of `settings` and name the filter that rejects each document.

    Args:
        thresholds: filter -> threshold.
        batch: n documents.
    """
    scores: dict[str, Scores] = {}
    selections: dict[bytes, Batch] = {}
    for name in thresholds:
        acts = FILTERS[name].acts_on(batch)
        scores[name] = np.full(len(acts), np.nan)
        # Texts are copied only if the filter skips at least half of the documents.
        mask = acts if 2 * acts.sum() <= len(acts) else np.ones(len(acts), bool)
        if acts.any():
            key = mask.tobytes()
            if key not in selections:
                selections[key] = batch.take(mask)
            scores[name][mask] = FILTERS[name].score(selections[key])
            scores[name][~acts] = np.nan
    return Outcome(scores, first_rule(thresholds, scores, len(batch.components)))


def first_rule(
    thresholds: Mapping[str, float], scores: Mapping[str, Scores], count: int
) -> npt.NDArray[np.object_]:
    """Return the filter that rejects each of `count` documents, by scores alone: object [count]."""
    rule = np.full(count, None, object)
    for name in reversed([name for name in FILTERS if name in thresholds]):
        rule[~FILTERS[name].keep(scores[name], thresholds[name])] = name
    return rule
