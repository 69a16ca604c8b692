"""Candidate rules of ScanCode's approximate matching, found through an inverted index.

ScanCode's last step, approximate matching, first ranks its 30,050 rules by the number of words
that each shares with the text. `licensedcode.match_set.compute_candidates` does this in a Python
loop over all rules, twice a text, which takes 95 % of ScanCode's time on legal passages. This
module looks up the rules of each word in an array. Ranking, thresholds and ties are ScanCode's,
so all matches are equal.

This module alone depends on the inside of ScanCode, because ScanCode has no public way to replace
the loop:

- `LicenseIndex.get_approximate_matches`, which FastIndex overrides, and `LicenseIndex.__slots__`
- of an index: `approx_matchable_rids`, `rules_by_rid`, `msets_by_rid`, `sets_by_rid`,
  `dictionary`, `len_legalese`, `get_query_run_approximate_matches`
- of a rule: `_minimum_containment` (the only name that is private by its underscore),
  `get_length`, `get_min_matched_length`, `get_min_high_matched_length`
- `ScoresVector`, `build_set_and_mset`, `filter_dupes`, `high_tids_set_subset` of match_set

`fast_index` compares both indexes on one text. `detector` uses ScanCode's own index with a
warning if a name is missing or if the matches differ.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from licensedcode.index import LicenseIndex
from licensedcode.match_set import (
    ScoresVector,
    build_set_and_mset,
    filter_dupes,
    high_tids_set_subset,
)

from manifests.prng.jit import compiled

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

NEAR_DUPLICATES, RANKED = 10, 70
"""Numbers of candidates that ScanCode compares with a whole text and with each of its runs."""

RESEMBLANCE = 0.8
"""Minimum resemblance of near-duplicates (ScanCode's)."""

PROBE = (
    "This program is free software; you can redistribute it and/or modify it under the terms of "
    "the GNU Lesser General Public License as published by somebody else; no version is named."
)
"""A text that ScanCode matches approximately."""


def fast_index(index: LicenseIndex) -> LicenseIndex:
    """Return an index with the same matches that finds candidates faster.

    Raises:
        AttributeError, LookupError, TypeError: the inside of ScanCode has changed.
        ValueError: the matches of PROBE differ.
    """
    fast = FastIndex(index)
    if _summary(fast.match(query_string=PROBE)) != _summary(index.match(query_string=PROBE)):
        raise ValueError("other candidates")
    return fast


def _summary(matches: list[Any]) -> list[tuple[str, float, str]]:
    """Return rule, score and step of each match."""
    return [(match.rule.identifier, match.score(), match.matcher) for match in matches]


class _Thresholds(NamedTuple):
    """Minimums of what n rules share with a text: int64 [n] each, containment float64 [n]."""

    length: Ints
    shared: Ints
    legal: Ints
    containment: Floats


class _Scores(NamedTuple):
    """ScanCode's vectors of scores for n rules, arrays [n]: exact, and rounded for ranking."""

    exact: tuple[Marks, Floats, Floats, Floats]
    rounded: tuple[Marks, Floats, Floats, Floats]

    def rows(self, positions: Ints) -> list[tuple[Any, Any]]:
        """Return the scores at some positions as ScanCode's objects."""
        columns = (*self.rounded, *self.exact)
        rows = zip(*(column[positions].tolist() for column in columns), strict=True)
        return [(ScoresVector(*row[:4]), ScoresVector(*row[4:])) for row in rows]


class Candidates:
    """Ranks the rules of an index."""

    def __init__(self, index: Any) -> None:
        """Invert the words of the rules: 2 million pairs, half a second."""
        self._index = index
        self._rids: Ints = np.array(sorted(index.approx_matchable_rids), np.int64)
        rules = [index.rules_by_rid[rid] for rid in self._rids.tolist()]
        words = [index.msets_by_rid[rid] for rid in self._rids.tolist()]
        sizes = [len(counts) for counts in words]
        tids = np.fromiter((tid for counts in words for tid in counts), np.int64)
        times = np.fromiter((n for counts in words for n in counts.values()), np.int64)
        order = np.argsort(tids, kind="stable")
        self._rules = np.repeat(np.arange(len(rules), dtype=np.int32), sizes)[order]
        self._times = times[order].astype(np.int32)
        highest = max(index.dictionary.values())
        self._starts = np.searchsorted(tids[order], np.arange(highest + 2))
        self._once = _thresholds(rules, unique=True)
        self._often = _thresholds(rules, unique=False)

    def rank(self, run: Any, near: bool) -> list[tuple[Any, int, Any, Any]]:
        """Return the result of `compute_candidates`, best first.

        Args:
            run: a `licensedcode.query.QueryRun`.
            near: whether to return near-duplicates of the text only.
        """
        words, times = build_set_and_mset(run.matchable_tokens())
        if not words:
            return []
        top = NEAR_DUPLICATES if near else RANKED
        tids = np.fromiter(times.keys(), np.int64, len(times))
        counts = np.fromiter(times.values(), np.int64, len(times))
        shared = np.zeros((4, len(self._rids)), np.int64)
        lists = self._starts, self._rules, self._times
        _share(tids, counts, self._index.len_legalese, *lists, shared)
        kept = _kept(self._once, shared[0], shared[1])
        first = _scores(self._once, shared[0], len(tids), kept)
        kept = kept[_ranked(first, near)[: 10 * top]]
        kept = kept[np.isin(kept, _kept(self._often, shared[2], shared[3]))]
        second = _scores(self._often, shared[2], int(counts.sum()), kept)
        best = _ranked(second, near)
        index, legalese = self._index, self._index.len_legalese
        candidates = [
            (scores, rid, index.rules_by_rid[rid], None)
            for scores, rid in zip(second.rows(best), self._rids[kept[best]].tolist(), strict=True)
        ]
        ranked = sorted(filter_dupes(candidates), reverse=True)[:top]
        return [
            (scores, rid, rule, high_tids_set_subset(words & index.sets_by_rid[rid], legalese))
            for scores, rid, rule, _ in ranked
        ]


class FastIndex(LicenseIndex):
    """ScanCode's index, with the same answers."""

    __slots__ = ("_candidates",)

    def __init__(self, index: LicenseIndex) -> None:
        """Take over the content of a loaded index."""
        for name in LicenseIndex.__slots__:
            setattr(self, name, getattr(index, name))
        self._candidates = Candidates(index)

    def get_approximate_matches(self, query: Any, matched_qspans: list[Any], **_: Any) -> list[Any]:
        """Return approximate matches: near-duplicates of the text, then of each run."""
        whole = query.whole_query_run()
        near = self._candidates.rank(whole, near=True)
        matches: list[Any] = []
        if near:
            matches += self.get_query_run_approximate_matches(whole, near, matched_qspans)
        for match in matches:
            query.subtract(match.qspan)
        for run in query.query_runs:
            ranked = self._candidates.rank(run, near=False)
            matches += self.get_query_run_approximate_matches(run, ranked, matched_qspans)
        return matches


def _thresholds(rules: list[Any], unique: bool) -> _Thresholds:
    """Return the thresholds of rules, for distinct words or for all words."""
    return _Thresholds(
        np.array([rule.get_length(unique) for rule in rules], np.int64),
        np.array([rule.get_min_matched_length(unique) for rule in rules], np.int64),
        np.array([rule.get_min_high_matched_length(unique) for rule in rules], np.int64),
        np.array([rule._minimum_containment for rule in rules], np.float64),
    )


def _kept(minimum: _Thresholds, shared: Ints, legal: Ints) -> Ints:
    """Return the rules whose shared words and legal words reach the thresholds."""
    enough = (legal > 0) & (legal >= minimum.legal) & (shared >= minimum.shared)
    return np.flatnonzero(enough & (shared / minimum.length >= minimum.containment))


def _scores(rules: _Thresholds, shared: Ints, size: int, kept: Ints) -> _Scores:
    """Score the kept rules by their shared words with a text of `size` words."""
    length, both = rules.length[kept], shared[kept]
    resemblance, containment = both / (size + length - both), both / length
    return _Scores(
        (resemblance >= RESEMBLANCE, containment, resemblance**2, both.astype(np.float64)),
        (
            _rounded(resemblance) >= RESEMBLANCE,
            _rounded(containment),
            _rounded(resemblance**2),
            _rounded(both / 20),
        ),
    )


def _ranked(scores: _Scores, near: bool) -> Ints:
    """Return positions by descending scores; ties by descending position."""
    number = np.arange(len(scores.exact[0]))
    keys = (number, *reversed(scores.exact), *reversed(scores.rounded))
    order = np.lexsort(keys)[::-1]
    return order[scores.exact[0][order] & scores.rounded[0][order]] if near else order


def _rounded(values: Floats) -> Floats:
    """Round to one digit as Python does; numpy rounds inexact ties differently."""
    rounded: Floats = np.round(values, 1)
    for i in np.flatnonzero(np.abs(values * 10 % 1 - 0.5) < 1e-6).tolist():
        rounded[i] = round(float(values[i]), 1)
    return rounded


@compiled()
def _share(
    tids: Ints,
    counts: Ints,
    legalese: int,
    starts: Ints,
    rules: npt.NDArray[np.int32],
    times: npt.NDArray[np.int32],
    shared: Ints,
) -> None:
    """Count the words that each rule shares with a text.

    Args:
        tids: int64 [words], the distinct words of the text.
        counts: int64 [words], the number of times that the text has each word.
        legalese: words below this number are legal words.
        starts: int64 [n + 1], the start of each word in `rules` and `times`.
        rules: int32, the rules that have the word.
        times: int32, the number of times that each of these rules has the word.
        shared: int64 [4, rules], zeros. Filled with the numbers of shared distinct words, distinct
            legal words, words, and legal words.
    """
    for i in range(len(tids)):
        tid, count = tids[i], counts[i]
        for at in range(starts[tid], starts[tid + 1]):
            rule, both = rules[at], min(count, np.int64(times[at]))
            shared[0, rule] += 1
            shared[2, rule] += both
            if tid < legalese:
                shared[1, rule] += 1
                shared[3, rule] += both
