"""The document filters by name: what each one bounds, its published default, where it acts."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.alphanumeric import alphanumeric
from filters.batch import Batch
from filters.empty import empty
from filters.genre import LONG_LINES, LOW_ALPHANUMERIC, is_code
from filters.longest_line import longest_line
from filters.mean_line import mean_line

Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filter:
    """One idea about documents: a score for each, and a bound on it.

    Attributes:
        score: Batch of n -> float64 [n].
        bound: which side of the threshold is kept; the threshold itself always is.
        threshold: the published default; its source is in the score's docstring.
        code_only: whether it acts on source code only.
        exempt: slugs of components on which it does not act.
    """

    score: Callable[[Batch], Scores]
    bound: Literal["at_least", "at_most"]
    threshold: float
    code_only: bool
    exempt: frozenset[str] = frozenset()

    def keep(self, scores: Scores, threshold: float) -> Mask:
        """Return what a threshold keeps; a score of NaN says that the filter does not act."""
        kept = scores >= threshold if self.bound == "at_least" else scores <= threshold
        return kept | np.isnan(scores)

    def acts_on(self, batch: Batch) -> Mask:
        """Return the mask of the documents on which the filter acts."""
        answers = {
            component: component not in self.exempt
            and (not self.code_only or is_code(batch.kind, component))
            for component in set(batch.components)
        }
        return np.array([answers[component] for component in batch.components], bool)


FILTERS: dict[str, Filter] = {
    "empty": Filter(empty, "at_least", 1, code_only=False),
    "longest_line": Filter(longest_line, "at_most", 1000, code_only=True, exempt=LONG_LINES),
    "mean_line": Filter(mean_line, "at_most", 100, code_only=True, exempt=LONG_LINES),
    "alphanumeric": Filter(alphanumeric, "at_least", 0.25, code_only=True, exempt=LOW_ALPHANUMERIC),
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
        ValueError: it names filters that are not there; the sentence lists them all.
    """
    faults = []
    for name in config:
        if name not in FILTERS:
            near = difflib.get_close_matches(name, FILTERS, 1)
            known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(FILTERS)}"
            faults.append(f"there is no filter {name!r}; {known}")
    if faults:
        raise ValueError("; ".join(faults))


def settings(config: Mapping[str, float | bool] | None) -> dict[str, float]:
    """Return the filters that act and their thresholds, in order.

    Args:
        config: the table `[filters]`: a number is a threshold, false leaves a filter out, true
            takes its default; a filter that is not named takes its default too.

    Raises:
        ValueError: as `check`.
    """
    config = config or {}
    check(config)
    values = {name: config.get(name, True) for name in FILTERS}
    return {
        name: FILTERS[name].threshold if value is True else float(value)
        for name, value in values.items()
        if value is not False
    }


def apply(thresholds: Mapping[str, float], batch: Batch) -> Outcome:
    """Return the scores of the filters named by `settings`, and which one rejects each document."""
    scores = {}
    for name in thresholds:
        acts = FILTERS[name].acts_on(batch)
        score = FILTERS[name].score(batch) if acts.any() else np.full(len(acts), np.nan)
        scores[name] = np.where(acts, score, np.nan)
    return Outcome(scores, first_rule(thresholds, scores, len(batch.components)))


def first_rule(
    thresholds: Mapping[str, float], scores: Mapping[str, Scores], count: int
) -> npt.NDArray[np.object_]:
    """Return which filter rejects each of `count` documents, from scores alone: object [count]."""
    rule = np.full(count, None, object)
    for name in reversed([name for name in FILTERS if name in thresholds]):
        rule[~FILTERS[name].keep(scores[name], thresholds[name])] = name
    return rule
