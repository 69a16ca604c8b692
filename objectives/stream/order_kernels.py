"""objectives.stream.order, compiled: the same integers, for kernels; `order` says what they are.

The tests hold the two equal. Endless addresses, and so everything here, must stay below 2^62.
"""

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled
from manifests.prng.splitmix_kernels import below, derive, draw
from objectives.stream.order import ROUNDS

Numbers = npt.NDArray[np.int64]


@compiled()
def permute(index: int, count: int, key: np.uint64) -> int:
    """Return the image of `index` under the keyed permutation of `range(count)`."""
    width = _root(count - 1) + 1
    height = (count + width - 1) // width
    while True:
        row, column = index // width, index % width
        for turn in range(0, ROUNDS, 2):
            row = (row + below(draw(draw(key, turn + 1), column), height)) % height
            column = (column + below(draw(draw(key, turn + 2), row), width)) % width
        index = row * width + column
        if index < count:
            return index


@compiled()
def _root(value: int) -> int:
    """Return the integer square root; the floating one is off by one at most."""
    root = int(np.sqrt(value))
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


@compiled()
def unit(drawn: int, addresses: int, size: int, key: np.uint64) -> tuple[int, int, int]:
    """Return epoch, number and start of the unit drawn as number `drawn` of a component."""
    epoch = drawn * size // addresses
    first = _first_unit(epoch, addresses, size)
    count = _first_unit(epoch + 1, addresses, size) - first
    number = permute(drawn - first, count, derive(key, epoch))
    return epoch, number, (first + number) * size


@compiled()
def _first_unit(epoch: int, addresses: int, size: int) -> int:
    return (epoch * addresses + size - 1) // size


@compiled()
def pieces(start: int, count: int, addresses: int, key: np.uint64) -> Numbers:
    """Return (address, count) of each piece of `count` endless addresses: int64 [n, 2]."""
    first = start // addresses
    found = np.empty(((start + count - 1) // addresses - first + 1, 2), np.int64)
    for i in range(len(found)):
        offset = start - (first + i) * addresses
        length = min(count, addresses - offset)
        phase = below(draw(derive(key, first + i), 0), addresses)
        found[i, 0], found[i, 1] = (offset + phase) % addresses, length
        start += length
        count -= length
    return found


@compiled()
def locate(nodes: Numbers, root: int, leaves: int, number: int) -> tuple[int, int]:
    """Return the component of a unit, and that unit's number among the component's own.

    Args:
        nodes: int64 [n, 4], left child, its weight, right child, weight of both; a child below
            `leaves` is a component, others are rows of `nodes`.
        root: where the tree starts.
        leaves: number of components.
        number: of the unit.
    """
    node = root
    while node >= leaves:
        left, weight, right, total = nodes[node - leaves]
        before = _share(number, weight, total)
        if _share(number + 1, weight, total) > before:
            node, number = left, before
        else:
            node, number = right, number - before
    return node, number


@compiled()
def _share(number: int, weight: int, total: int) -> int:
    """Return number x weight / total, rounded: in two parts, neither of them above 64 bits."""
    whole, rest = number // total, np.uint64(number % total)
    product = rest * np.uint64(weight) + np.uint64(total // 2)
    return int(whole * weight + np.int64(product // np.uint64(total)))
