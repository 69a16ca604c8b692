"""The rules that ScanCode compares a text with word by word, found through an inverted index.

ScanCode's last step, approximate matching, first ranks its 30,050 rules by how many words each
shares with the text: `licensedcode.match_set.compute_candidates`, a loop over all of them in
Python, twice a text and 95 % of its time on legal passages. Here an array says for each word which
rules hold it. The ranking, its thresholds and its ties are the same, and so is every match.
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
"""Candidates that ScanCode compares with a whole text, and with each of its runs."""

RESEMBLANCE = 0.8
"""ScanCode's, of a whole text and a rule, from which the one is a near-duplicate of the other."""


class _Thresholds(NamedTuple):
    """What a rule must share with a text, for n rules: int64 [n] each, containment float64."""

    length: Ints
    shared: Ints
    legal: Ints
    containment: Floats


class _Scores(NamedTuple):
    """ScanCode's two vectors of scores for n rules: arrays [n], and those rounded for ranking."""

    exact: tuple[Marks, Floats, Floats, Floats]
    rounded: tuple[Marks, Floats, Floats, Floats]

    def rows(self, chosen: Ints) -> list[tuple[Any, Any]]:
        """Return some rules' scores as ScanCode has them."""
        columns = (*self.rounded, *self.exact)
        rows = zip(*(column[chosen].tolist() for column in columns), strict=True)
        return [(ScoresVector(*row[:4]), ScoresVector(*row[4:])) for row in rows]


class Candidates:
    """Ranks the rules of an index."""

    def __init__(self, index: Any) -> None:
        """Turn the words of rules into the rules of words: 2 million pairs, half a second."""
        self._index = index
        self._rids: Ints = np.array(sorted(index.approx_matchable_rids), np.int64)
        rules = [index.rules_by_rid[rid] for rid in self._rids.tolist()]
        words = [index.msets_by_rid[rid] for rid in self._rids.tolist()]
        tids = np.concatenate([np.fromiter(each.keys(), np.int64, len(each)) for each in words])
        times = np.concatenate([np.fromiter(each.values(), np.int64, len(each)) for each in words])
        order = np.argsort(tids, kind="stable")
        sizes = [len(each) for each in words]
        self._rules = np.repeat(np.arange(len(rules), dtype=np.int32), sizes)[order]
        self._times = times[order].astype(np.int32)
        highest = max(index.dictionary.values())
        self._starts = np.searchsorted(tids[order], np.arange(highest + 2))
        self._once = _thresholds(rules, unique=True)
        self._often = _thresholds(rules, unique=False)

    def of(self, run: Any, near: bool) -> list[tuple[Any, int, Any, Any]]:
        """Return what compute_candidates does, best first.

        Args:
            run: a `licensedcode.query.QueryRun`.
            near: only near-duplicates of the text.
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
        found = [
            (scores, rid, self._index.rules_by_rid[rid], None)
            for scores, rid in zip(second.rows(best), self._rids[kept[best]].tolist(), strict=True)
        ]
        ranked = sorted(filter_dupes(found), reverse=True)[:top]
        return [(*each[:3], self._legal(words, each[1])) for each in ranked]

    def _legal(self, words: Any, rid: int) -> Any:
        """Return the legal words that a text shares with a rule."""
        index = self._index
        return high_tids_set_subset(words & index.sets_by_rid[rid], index.len_legalese)


class FastIndex(LicenseIndex):
    """ScanCode's index, with the same answers."""

    __slots__ = ("_candidates",)

    def __init__(self, index: LicenseIndex) -> None:
        """Share what a loaded index holds."""
        for name in LicenseIndex.__slots__:
            setattr(self, name, getattr(index, name))
        self._candidates = Candidates(index)

    def get_approximate_matches(self, query: Any, matched_qspans: list[Any], **_: Any) -> list[Any]:
        """Do as ScanCode does: near-duplicates of the whole text, then the best for each run."""
        whole = query.whole_query_run()
        near = self._candidates.of(whole, near=True)
        matches: list[Any] = []
        if near:
            matches += self.get_query_run_approximate_matches(whole, near, matched_qspans)
        for match in matches:
            query.subtract(match.qspan)
        for run in query.query_runs:
            ranked = self._candidates.of(run, near=False)
            matches += self.get_query_run_approximate_matches(run, ranked, matched_qspans)
        return matches


def _thresholds(rules: list[Any], unique: bool) -> _Thresholds:
    return _Thresholds(
        np.array([rule.get_length(unique) for rule in rules], np.int64),
        np.array([rule.get_min_matched_length(unique) for rule in rules], np.int64),
        np.array([rule.get_min_high_matched_length(unique) for rule in rules], np.int64),
        np.array([rule._minimum_containment for rule in rules], np.float64),
    )


def _kept(least: _Thresholds, shared: Ints, legal: Ints) -> Ints:
    """Return the rules that share enough with a text."""
    enough = (legal > 0) & (legal >= least.legal) & (shared >= least.shared)
    return np.flatnonzero(enough & (shared / least.length >= least.containment))


def _scores(rules: _Thresholds, shared: Ints, size: int, kept: Ints) -> _Scores:
    """Score some rules by what they share with a text of so many words."""
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
    """Return positions in descending order of scores, and of rules where they are equal."""
    number = np.arange(len(scores.exact[0]))
    keys = (number, *reversed(scores.exact), *reversed(scores.rounded))
    order = np.lexsort(keys)[::-1]
    return order[scores.exact[0][order] & scores.rounded[0][order]] if near else order


def _rounded(values: Floats) -> Floats:
    """Round to one digit as Python does: numpy's own way differs where a tie is not exact."""
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
    """Count what every rule shares with a text: distinct words, legal ones; all words, legal ones.

    Args:
        tids: int64 [words], the distinct words of the text.
        counts: int64 [words], how often it has each.
        legalese: words below this number are legal ones.
        starts: int64 [n + 1], where the rules of each word start.
        rules: int32, the rules that have it.
        times: int32, how often each of them does.
        shared: int64 [4, rules], zeros; what is counted.
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
