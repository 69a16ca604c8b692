"""manifests.prng.splitmix, compiled: the same functions over uint64, for kernels.

`splitmix` says what they are; the tests hold the two equal. Numbers of a key are counted by
int64, bounds are int64 above 0.
"""

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@compiled(inline=True)
def mix(value: np.uint64) -> np.uint64:
    """Return SplitMix64's finalizer of a number."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


@compiled(inline=True)
def draw(key: np.uint64, index: int) -> np.uint64:
    """Return number `index` (from 0) of the sequence seeded with `key`."""
    return mix(key + np.uint64(index + 1) * _GAMMA)


@compiled(inline=True)
def derive(key: np.uint64, part: int) -> np.uint64:
    """Return the key of a child: one part, a number."""
    return draw(mix(~key), part)


@compiled(inline=True)
def below(value: np.uint64, bound: int) -> int:
    """Map a number to [0, bound) by multiply and shift: the high half of a 128-bit product."""
    factor = np.uint64(bound)
    low, high = value & _LOW, value >> _32
    few, many = factor & _LOW, factor >> _32
    middle = low * many
    carry = (low * few >> _32) + (middle & _LOW) + (high * few & _LOW)
    product = high * many + (middle >> _32) + (high * few >> _32) + (carry >> _32)
    return int(np.int64(product))


SMALL = 24
"""Of more numbers than so many, moving those above each new one costs more than marks do."""


@compiled()
def subset(
    key: np.uint64, index: int, size: int, bound: int, chosen: npt.NDArray[np.int64]
) -> None:
    """Write `size` different numbers of [0, bound), ascending: those of `Draws.subset`.

    Args:
        key: whose numbers they are drawn from.
        index: the number of `key` to begin with; `size` numbers are used.
        size: how many.
        bound: what they are below.
        chosen: int64 [size or more], for the result.
    """
    if size > SMALL and bound < size * size:
        _subset_by_marks(key, index, size, bound, chosen)
        return
    for count in range(size):
        last = bound - size + count
        number = below(draw(key, index + count), last + 1)
        place = int(np.searchsorted(chosen[:count], number))
        if place < count and chosen[place] == number:
            number, place = last, count
        for i in range(count, place, -1):
            chosen[i] = chosen[i - 1]
        chosen[place] = number


@compiled()
def _subset_by_marks(
    key: np.uint64, index: int, size: int, bound: int, chosen: npt.NDArray[np.int64]
) -> None:
    """Do what `subset` does, with a mark for each number below `bound`."""
    marks = np.zeros(bound, np.bool_)
    for count in range(size):
        last = bound - size + count
        number = below(draw(key, index + count), last + 1)
        marks[last if marks[number] else number] = True
    place = number = 0
    while place < size:  # without a branch on the mark, which nothing could predict
        chosen[place] = number
        place += int(marks[number])
        number += 1
