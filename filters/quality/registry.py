"""The document filters by name: what each one bounds, its published default, where it acts."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality import extensions, gopher, scope
from filters.quality.alphabetic import alphabetic
from filters.quality.alphanumeric import alphanumeric
from filters.quality.auto_generated import auto_generated
from filters.quality.batch import Batch, Genre
from filters.quality.comments import comment_share
from filters.quality.control_characters import control_characters
from filters.quality.data_size import data_size
from filters.quality.empty import empty
from filters.quality.encoded_data import encoded_run, encoded_share
from filters.quality.generated import generated
from filters.quality.html_text import html_characters, html_parsed, html_share
from filters.quality.longest_line import longest_line
from filters.quality.mean_line import mean_line
from filters.quality.near_empty import near_empty
from filters.quality.xml_header import xml_header

Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filter:
    """One idea about documents: a score for each, and a bound on it.

    Attributes:
        score: Batch of n -> float64 [n]; NaN where it cannot tell, which is no reason to reject.
        bound: which side of the threshold is kept; the threshold itself always is.
        threshold: the published default; its source is in the score's docstring.
        scope: whether the filter acts on a document, by genre, component and extension.
        on: whether it acts when `[filters]` does not name it.
    """

    score: Callable[[Batch], Scores]
    bound: Literal["at_least", "at_most"]
    threshold: float
    scope: Callable[[Genre, str, str], bool]
    on: bool = True

    def keep(self, scores: Scores, threshold: float) -> Mask:
        """Return what a threshold keeps; a score of NaN says that the filter does not act."""
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


FILTERS: dict[str, Filter] = {
    "empty": Filter(empty, "at_least", 1, scope.everything),
    "near_empty": Filter(near_empty, "at_least", 5, scope.everything),
    "control_characters": Filter(control_characters, "at_most", 0.01, scope.everything),
    "language": Filter(extensions.language, "at_least", 1, scope.code),
    "extension": Filter(extensions.extension, "at_least", 1, scope.code),
    "longest_line": Filter(longest_line, "at_most", 1000, scope.code_of_lines),
    "mean_line": Filter(mean_line, "at_most", 100, scope.code_of_lines),
    "alphanumeric": Filter(alphanumeric, "at_least", 0.25, scope.code_of_words),
    "alphabetic": Filter(alphabetic, "at_least", 0.25, scope.code_of_letters),
    "data_alphabetic": Filter(alphabetic, "at_least", 0.5, scope.data),
    "min_data_size": Filter(data_size, "at_least", 100, scope.data),
    "max_data_size": Filter(data_size, "at_most", 5000, scope.data),
    "xml_header": Filter(xml_header, "at_most", 0, scope.not_xml),
    "auto_generated": Filter(auto_generated, "at_most", 0, scope.code),
    "generated": Filter(generated, "at_most", 0, scope.code),
    "encoded_run": Filter(encoded_run, "at_most", 1024, scope.code),
    "encoded_share": Filter(encoded_share, "at_most", 0.5, scope.code),
    "html_parsed": Filter(html_parsed, "at_least", 1, scope.pages),
    "html_characters": Filter(html_characters, "at_least", 101, scope.pages),
    "html_share": Filter(html_share, "at_least", 0.2, scope.pages),
    "min_comment_share": Filter(comment_share, "at_least", 0.01, scope.code, on=False),
    "max_comment_share": Filter(comment_share, "at_most", 0.8, scope.code, on=False),
    "min_words": Filter(gopher.word_count, "at_least", 50, scope.web),
    "max_words": Filter(gopher.word_count, "at_most", 100_000, scope.web),
    "min_mean_word_length": Filter(gopher.mean_word, "at_least", 3, scope.web),
    "max_mean_word_length": Filter(gopher.mean_word, "at_most", 10, scope.web),
    "symbols": Filter(gopher.symbols, "at_most", 0.1, scope.web),
    "bullet_lines": Filter(gopher.bullet_lines, "at_most", 0.9, scope.web),
    "ellipsis_lines": Filter(gopher.ellipsis_lines, "at_most", 0.3, scope.web),
    "alphabetic_words": Filter(gopher.alphabetic_words, "at_least", 0.8, scope.web),
    "stop_words": Filter(gopher.stop_words, "at_least", 2, scope.web),
}
"""In the order in which they are asked: the first that says no is the rule of a rejection."""


class Outcome(NamedTuple):
    """What filters say of a batch of n documents.

    Attributes:
        scores: for each filter, float64 [n]; NaN where it does not act.
        rule: object [n], the name of the first filter that rejects, else None.
    """

    scores: dict[str, Scores]
    rule: npt.NDArray[np.object_]


def check(config: Mapping[str, float | bool]) -> None:
    """Check the table `[filters]` of CORPUS.toml.

    Raises:
        ValueError: it names filters that are not there, or with thresholds that are no numbers;
            the sentence lists them all.
    """
    faults = []
    for name, threshold in config.items():
        if name not in FILTERS:
            near = difflib.get_close_matches(name, FILTERS, 1)
            known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(FILTERS)}"
            faults.append(f"there is no filter {name!r}; {known}")
        elif not math.isfinite(threshold):
            faults.append(f"{name}: the threshold should be a finite number (it is {threshold})")
    if faults:
        raise ValueError("; ".join(faults))


def settings(config: Mapping[str, float | bool] | None) -> dict[str, float]:
    """Return the filters that act and their thresholds, in order.

    Args:
        config: the table `[filters]`: a number is a threshold, false leaves a filter out, true
            takes its default; a filter that is not named takes its default too, or is off.

    Raises:
        ValueError: as `check`.
    """
    config = config or {}
    check(config)
    values = {name: config.get(name, FILTERS[name].on) for name in FILTERS}
    return {
        name: FILTERS[name].threshold if value is True else float(value)
        for name, value in values.items()
        if value is not False
    }


def identity(config: Mapping[str, float | bool] | None) -> dict[str, Any]:
    """Return all that decides what filters keep: it becomes part of a step's digest."""
    return {"thresholds": settings(config), "tables": extensions.digests()}


def apply(thresholds: Mapping[str, float], batch: Batch) -> Outcome:
    """Return the scores of the filters named by `settings`, and which one rejects each document."""
    scores: dict[str, Scores] = {}
    few: dict[bytes, Batch] = {}
    for name in thresholds:
        acts = FILTERS[name].acts_on(batch)
        scores[name] = np.full(len(acts), np.nan)
        # Copies of texts are made where they save work, and hold no more than half of them.
        chosen = acts if 2 * acts.sum() <= len(acts) else np.ones(len(acts), bool)
        if acts.any():
            taken = few.setdefault(chosen.tobytes(), batch.take(chosen))
            scores[name][chosen] = FILTERS[name].score(taken)
            scores[name][~acts] = np.nan
    return Outcome(scores, first_rule(thresholds, scores, len(batch.components)))


def first_rule(
    thresholds: Mapping[str, float], scores: Mapping[str, Scores], count: int
) -> npt.NDArray[np.object_]:
    """Return which filter rejects each of `count` documents, from scores alone: object [count]."""
    rule = np.full(count, None, object)
    for name in reversed([name for name in FILTERS if name in thresholds]):
        rule[~FILTERS[name].keep(scores[name], thresholds[name])] = name
    return rule
