"""The header veto: what the files of a batch say of their own licenses, and whether it denies them.

A header can only deny: about 45 % of real files have none, and what one allows, the repository
has already allowed or denied.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from filters.licenses.policy import Finding, Policy
from filters.licenses.spdx import is_known, parse
from filters.scancode.cache import Found
from filters.scancode.normalize import normalize
from filters.scancode.passages import Passage, passages
from filters.scancode.words import find_words
from filters.utf8 import text_bytes

RULES = 3
"""The number of all rules that decide what a text states and what denies it: those here and in
normalize, passages and words. Parts are named after it; a change of any of them takes a new one."""

SCORE = 60.0
"""ScanCode's score from which a match says something: below lie fragments, and rules of low
relevance (a bare "lgpl-2.0-only" in a list of ids has 50)."""

SPDX_LINE = re.compile(rb"spdx-license-identifier[ \t]*:?[ \t]*([^\n]*)", re.IGNORECASE)

ADDRESS_BYTES = 200
ADDRESS = re.compile(rb"\s*https?://\S+\s*")
"""A file that is nothing but an address: ScanCode knows those of several hundred licenses."""

MOST = 400
"""Passages of a file that are read, the first ones; a database of licenses may have thousands."""


class Statement(NamedTuple):
    """A passage that may name licenses.

    Attributes:
        first: its first line in the file, from 1.
        last: its last line.
        text: what ScanCode is asked; b"" where `expression` says all.
        expression: of an SPDX-License-Identifier line; None for a passage.
    """

    first: int
    last: int
    text: bytes
    expression: str | None = None


class Denial(NamedTuple):
    """Why a file denies itself, and the evidence."""

    finding: Finding
    detail: str


def statements(texts: Any) -> dict[int, list[Statement]]:
    """Return, for the texts of an Arrow array that speak of licenses, what they state, in order."""
    data, offsets = text_bytes(texts)
    hits = find_words(data, offsets)
    documents, starts = np.unique(hits.document, return_index=True)
    bounds = [*starts.tolist(), len(hits.at)]
    found = {}
    for document, (start, end) in zip(documents.tolist(), pairwise(bounds), strict=True):
        text = data[offsets[document] : offsets[document + 1]].tobytes()
        spoken = passages(text, hits.at[start:end].tolist())[:MOST]
        found[document] = [statement for each in spoken for statement in _statements(each)]
    for document in np.flatnonzero(np.diff(offsets) < ADDRESS_BYTES).tolist():
        text = data[offsets[document] : offsets[document + 1]].tobytes()
        if ADDRESS.fullmatch(text):
            found[document] = [Statement(1, text.count(b"\n") + 1, normalize([text], whole=True))]
    return {document: found[document] for document in sorted(found) if found[document]}


def _statements(passage: Passage) -> list[Statement]:
    found, left = [], []
    for number, line in enumerate(passage.lines, passage.first):
        tagged = SPDX_LINE.search(line)
        expression = _expression(tagged[1]) if tagged else None
        if expression is None:
            left.append(line)
        else:
            left.append(b"")
            found.append(Statement(number, number, b"", expression))
    text = normalize(left, passage.whole)
    return [*found, Statement(passage.first, passage.last, text)] if text else found


def _expression(text: bytes) -> str | None:
    """Return the SPDX expression of a tag, or None where ScanCode has to make sense of it."""
    expression = text.decode("utf-8", "replace").strip(" \t\r*/#-\"'`,;>")
    return expression if expression and is_known(parse(expression)) else None


def distinct_texts(stated: dict[int, list[Statement]]) -> list[bytes]:
    """Return what ScanCode is asked about a batch, each text once, in order."""
    texts = (statement.text for found in stated.values() for statement in found if statement.text)
    return list(dict.fromkeys(texts))


def denials(
    stated: dict[int, list[Statement]], found: Callable[[bytes], Found | None], policy: Policy
) -> dict[int, Denial]:
    """Return the documents that deny themselves, with the first statement that does.

    Args:
        stated: of `statements`.
        found: what ScanCode found in a text; None where it was given up, which denies nothing.
        policy: by which licenses are judged.
    """
    denied = {}
    for document, spoken in stated.items():
        for statement in spoken:
            denial = _denial(statement, found, policy)
            if denial is not None:
                denied[document] = denial
                break
    return denied


def _denial(
    statement: Statement, found: Callable[[bytes], Found | None], policy: Policy
) -> Denial | None:
    where = f"lines {statement.first}-{statement.last}"
    if statement.expression is not None:
        judged = policy.judge_header(statement.expression)
        evidence = f"SPDX-License-Identifier, {where}"
        return _denied(judged, evidence)
    for match in found(statement.text) or ():
        if match.score >= SCORE and not match.clue:
            denial = _denied(policy.judge_header(match.expression), f"{match.rule}, {where}")
            if denial is not None:
                return denial
    return None


def _denied(judged: Any, detail: str) -> Denial | None:
    if judged.judgment != "deny":
        return None
    return Denial(Finding("header", "deny", judged.expression), detail)


def timed_out(stated: Sequence[Statement], found: Callable[[bytes], Found | None]) -> bool:
    """Tell whether a text of a document was given up."""
    return any(each.text and found(each.text) is None for each in stated)
