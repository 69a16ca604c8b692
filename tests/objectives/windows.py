"""Windows as plain arrays, and laid out as what an objective is given."""

import numpy as np

from manifests.prng.splitmix import derive
from objectives.tasks.batch import Segments
from objectives.tasks.law import tables_of
from objectives.tasks.layout import (
    CONTROL,
    DETAILS,
    ENDS,
    KEY,
    LENGTH,
    SEGMENT_COLUMNS,
    SEQUENCE_COLUMNS,
    TOKEN,
    lay_out,
)


def addresses_in(windows, end=50256):
    """The token at each address of some windows, `end` at an end address: int64 [n]."""
    pieces = []
    for window in windows:
        tokens = np.full(len(window.tokens) + len(window.ends), end, np.int64)
        is_token = np.ones(len(tokens), bool)
        is_token[window.ends] = False
        tokens[is_token] = window.tokens
        pieces.append(tokens)
    return np.concatenate(pieces)


def pieces_of(windows):
    """The documents of some windows as `lay_out` takes them: int64 [P, 4]."""
    pieces, start = [], 0
    for window in windows:
        for number, length in enumerate(window.lengths.tolist()):
            pieces.append((start, length, number < len(window.ends), 0))
            start += length
    return np.array(pieces, np.int64).reshape(-1, 4)


def lengths_of(windows):
    """The length of each document, or part of one: int64 [n]."""
    return pieces_of(windows)[:, 1]


def unit_of(laws, slots, windows, key, length, slack):
    """(segments, sequences, tokens) of a unit that is laid out from some windows."""
    tokens = np.concatenate([np.empty(0, np.uint16), *(w.tokens for w in windows)])
    pieces = pieces_of(windows)
    segments = np.zeros((len(pieces) + len(slots), SEGMENT_COLUMNS), np.int64)
    sequences = np.zeros((len(slots), SEQUENCE_COLUMNS), np.int64)
    count = lay_out(
        pieces, tokens.astype(np.uint16), np.uint64(key), np.array(slots, np.int64), False, laws,
        length, slack, segments, sequences,
    )  # fmt: skip
    return segments[:count], sequences, tokens.astype(np.uint16)


def segments_of(objective, sources, spare, keys):
    """The windows of each sequence, with as many positions as addresses, and `spare` ones."""
    laws, tables, texts, first, base = tables_of([objective.law_with_task]), [], [], [0], 0
    for windows, more, key in zip(sources, spare, keys, strict=True):
        length = len(addresses_in(windows)) + more
        table, _, tokens = unit_of(laws, [0], windows, key, length, more)
        table[:, TOKEN] += base
        base += len(tokens)
        tables.append(table)
        texts.append(tokens)
        first.append(first[-1] + len(table))
    rows = np.concatenate(tables)
    return Segments(
        tokens=np.concatenate(texts),
        starts=rows[:, TOKEN].copy(),
        lengths=rows[:, LENGTH].copy(),
        ends_document=rows[:, ENDS] != 0,
        control_tokens=rows[:, CONTROL].copy(),
        keys=rows[:, KEY].astype(np.uint64),
        details=rows[:, DETAILS:].copy(),
        first=np.array(first, np.int64),
        forgotten=np.zeros(len(first) - 1, np.int64),
        sequence_keys=np.array([derive(np.uint64(key), 0) for key in keys], np.uint64),
    )
