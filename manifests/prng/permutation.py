"""A keyed permutation of range(n) in closed form: nothing is stored."""

import numpy as np

from manifests.prng.jit import compiled
from manifests.prng.splitmix import below, draw

ROUNDS = 8
"""Feistel rounds. Published: 4 rounds of good round functions make a pseudorandom permutation (Luby
and Rackoff, 1988). Ours: twice as many keep small domains uniform too."""


@compiled()
def permute(index: int, count: int, key: np.uint64) -> int:
    """Return the image of `index` under the keyed permutation of `range(count)`.

    A Feistel network over a rectangle just larger than `count` is applied until the image lies in
    `range(count)` (cycle walking: Black and Rogaway, "Ciphers with arbitrary finite domains",
    2002). Round r uses number r of the key, from 1 to ROUNDS; number 0 remains for the caller.

    Args:
        index: from 0 to `count` - 1.
        count: from 1 to 2^62.
        key: key of the permutation; a Python int does not fit.
    """
    width = _root(count - 1) + 1
    height = (count + width - 1) // width
    while True:
        row, column = index // width, index % width
        for number in range(0, ROUNDS, 2):
            row = (row + below(draw(draw(key, number + 1), column), height)) % height
            column = (column + below(draw(draw(key, number + 2), row), width)) % width
        index = row * width + column
        if index < count:
            return index


@compiled()
def _root(value: int) -> int:
    """Return the integer square root; the floating-point root is off by one at most."""
    root = int(np.sqrt(value))
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root
