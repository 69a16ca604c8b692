"""The header veto: the licenses that files of a batch name themselves, and whether they deny.

A header can only deny. About 45 % of real files have no header, and the repository has already
allowed or denied the license that a header allows.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from filters.licenses.policy import Finding, Policy
from filters.licenses.spdx import is_known, parse
from filters.scancode.cache import Matches
from filters.scancode.normalize import normalize
from filters.scancode.passages import Passage, passages
from filters.scancode.words import find_words
from filters.utf8 import text_bytes

RULES = 3
"""Version of the rules that decide what a text states and what denies the text: the rules here and
in normalize, passages and words. Names of parts depend on the version. Raise the version when any
rule changes."""

SCORE = 60.0
"""Minimum score of a match (ours). Fragments and rules of low relevance have lower scores: a bare
"lgpl-2.0-only" in a list of ids has 50."""

SPDX_LINE = re.compile(rb"spdx-license-identifier[ \t]*:?[ \t]*([^\n]*)", re.IGNORECASE)

ADDRESS_BYTES = 200
ADDRESS = re.compile(rb"\s*https?://\S+\s*")
"""A file that is only an address: ScanCode knows the addresses of several hundred licenses."""

MAX_PASSAGES = 400
"""Passages of a file that are read, in order (ours: a database of licenses may have thousands)."""


Lookup = Callable[[bytes], Matches | None]
"""Text -> ScanCode's matches; None for a text that was given up, which denies nothing."""


class Statement(NamedTuple):
    """A passage that may name licenses.

    Attributes:
        first: number of the first line in the file, from 1.
        last: number of the last line.
        text: normalized text for ScanCode; b"" if there is an `expression`.
        expression: SPDX expression of an SPDX-License-Identifier line; None for a passage.
    """

    first: int
    last: int
    text: bytes
    expression: str | None = None


class Denial(NamedTuple):
    """The finding that denies a file, and the evidence."""

    finding: Finding
    detail: str


def statements(texts: Any) -> dict[int, list[Statement]]:
    """Return row -> the statements of a text, in order, for an Arrow array of texts."""
    data, offsets = text_bytes(texts)
    hits = find_words(data, offsets)
    documents, starts = np.unique(hits.document, return_index=True)
    bounds = [*starts.tolist(), len(hits.at)]
    stated = {}
    for row, (start, end) in zip(documents.tolist(), pairwise(bounds), strict=True):
        text = data[offsets[row] : offsets[row + 1]].tobytes()
        selected = passages(text, hits.at[start:end].tolist())[:MAX_PASSAGES]
        stated[row] = [statement for passage in selected for statement in _statements(passage)]
    for row in np.flatnonzero(np.diff(offsets) < ADDRESS_BYTES).tolist():
        text = data[offsets[row] : offsets[row + 1]].tobytes()
        if ADDRESS.fullmatch(text):
            stated[row] = [Statement(1, text.count(b"\n") + 1, normalize([text], whole=True))]
    return {row: stated[row] for row in sorted(stated) if stated[row]}


def _statements(passage: Passage) -> list[Statement]:
    """Return a statement for each SPDX line of a passage and one for the remaining lines."""
    statements, remaining = [], []
    for number, line in enumerate(passage.lines, passage.first):
        tag = SPDX_LINE.search(line)
        expression = _expression(tag[1]) if tag else None
        if expression is None:
            remaining.append(line)
        else:
            remaining.append(b"")
            statements.append(Statement(number, number, b"", expression))
    text = normalize(remaining, passage.whole)
    return [*statements, Statement(passage.first, passage.last, text)] if text else statements


def _expression(text: bytes) -> str | None:
    """Return the SPDX expression of a tag, or None if only ScanCode can read the tag."""
    expression = text.decode("utf-8", "replace").strip(" \t\r*/#-\"'`,;>")
    return expression if expression and is_known(parse(expression)) else None


def distinct_texts(stated: dict[int, list[Statement]]) -> list[bytes]:
    """Return the texts of a batch for ScanCode, each text once, in order."""
    texts = (statement.text for group in stated.values() for statement in group if statement.text)
    return list(dict.fromkeys(texts))


def denials(
    stated: dict[int, list[Statement]], lookup: Lookup, policy: Policy
) -> dict[int, Denial]:
    """Return row -> the first denial, for the documents that deny themselves.

    Args:
        stated: the result of `statements`.
        lookup: returns ScanCode's matches of a text.
        policy: judges the licenses.
    """
    denials_by_row = {}
    for row, group in stated.items():
        candidates = (_denial(statement, lookup, policy) for statement in group)
        denial = next(filter(None, candidates), None)
        if denial is not None:
            denials_by_row[row] = denial
    return denials_by_row


def _denial(statement: Statement, lookup: Lookup, policy: Policy) -> Denial | None:
    """Return the first denial of a statement, or None."""
    named: list[tuple[str, str]]
    if statement.expression is not None:
        named = [(statement.expression, "SPDX-License-Identifier")]
    else:
        matches = lookup(statement.text) or ()
        named = [(m.expression, m.rule) for m in matches if m.score >= SCORE and not m.clue]
    for expression, evidence in named:
        judged = policy.judge_header(expression)
        if judged.judgment == "deny":
            finding = Finding("header", "deny", judged.expression)
            return Denial(finding, f"{evidence}, lines {statement.first}-{statement.last}")
    return None


def timed_out(stated: Sequence[Statement], lookup: Lookup) -> bool:
    """Return whether a text of a document was given up."""
    return any(statement.text and lookup(statement.text) is None for statement in stated)
