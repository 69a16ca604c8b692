"""The request that every stream peer gets, and its rate.

They are given WORK/GROUP.npy: the tokens of a group, uint16, an end token after each document.
This module imports nothing that one of their environments might lack.
"""

import itertools
import json
import time
from collections.abc import Iterable
from typing import Any

LENGTH, ROWS = 2048, 64
"""Tokens of a sequence, and sequences of a batch."""

GROUPS = ("the-stack", "the-pile")
"""The groups that are mixed half and half."""

BATCHES, RUNS = 200, 5


def tell(batches: Iterable[Any]) -> None:
    """Print the rates of RUNS runs over an endless iterable: million tokens a second, as JSON.

    The first run is not counted: caches are warm, and what is prepared at the start is.
    """
    source = iter(batches)
    rates = []
    for _ in range(RUNS + 1):
        start, tokens = time.perf_counter(), 0
        for batch in itertools.islice(source, BATCHES):
            tokens += batch.shape[0] * batch.shape[1]
        rates.append(tokens / (time.perf_counter() - start) / 1e6)
    print(json.dumps(rates[1:]))
