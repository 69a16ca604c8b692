"""Windows as plain arrays, and as what an objective is given."""

import numpy as np

from objectives.tasks.batch import Segments


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


def segments_of(sequences, allowances, keys):
    """The windows of each sequence; where two meet, a document is cut without an end token."""
    tokens, starts, lengths, closed, first = [np.empty(0, np.uint16)], [], [], [], [0]
    base = 0
    for windows in sequences:
        for window in windows:
            for number, length in enumerate(window.lengths.tolist()):
                starts.append(base)
                lengths.append(length)
                closed.append(number < len(window.ends))
                base += length
            tokens.append(window.tokens)
        first.append(len(starts))
    return Segments(
        np.concatenate(tokens).astype(np.uint16),
        np.array(starts, np.int64),
        np.array(lengths, np.int64),
        np.array(closed, np.bool_),
        np.array(first, np.int64),
        np.array(allowances, np.int64),
        np.array(keys, np.uint64),
    )
