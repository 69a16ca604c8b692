"""Counter-based randomness: the i-th number of a key is a function of (key, i) and nothing else.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014, with Vigna's constants); a bound is a multiply and a shift (Lemire, "Fast
random integer generation in an interval", 2019, without the rejection: with bounds below 2^40 the
bias is under 2^-24). Names enter by blake2b, so that they mean the same on every machine.
"""

import hashlib

import numpy as np
import numpy.typing as npt

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    """Return SplitMix64's finalizer of a 64-bit number: a bijection."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def draw(key: int, index: int) -> int:
    """Return number `index` (from 0) of the SplitMix64 sequence seeded with `key`: 64 bits."""
    return mix((key + (index + 1) * GAMMA) & MASK)


def derive(key: int, *parts: int | str) -> int:
    """Return the key of a child: each part a number or a name, in order.

    A child is drawn from another seed, so it shares no number with those drawn from `key`.
    """
    for part in parts:
        index = name_number(part) if isinstance(part, str) else part
        key = draw(mix(key ^ MASK), index)
    return key


def name_number(name: str) -> int:
    """Return the 64-bit number of a name: blake2b of its UTF-8, little-endian."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def below(value: int, bound: int) -> int:
    """Map a 64-bit number to [0, bound) by multiply and shift."""
    return (value * bound) >> 64


def shuffled(key: int, count: int) -> npt.NDArray[np.intp]:
    """Return a permutation of `range(count)`: the order of the key's first `count` numbers."""
    state = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(state ^ (state >> np.uint64(31)), kind="stable")


class Draws:
    """The numbers of one key, one after the other."""

    __slots__ = ("_index", "_key")

    def __init__(self, key: int) -> None:
        """Start at number 0 of `key`."""
        self._key = key
        self._index = 0

    def below(self, bound: int) -> int:
        """Return the next number, in [0, bound)."""
        self._index += 1
        return (mix((self._key + self._index * GAMMA) & MASK) * bound) >> 64

    def subset(self, size: int, bound: int) -> list[int]:
        """Return `size` different numbers of [0, bound), ascending, all subsets equally likely.

        Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM 1987).
        """
        chosen: set[int] = set()
        for last in range(bound - size, bound):
            number = self.below(last + 1)
            chosen.add(last if number in chosen else number)
        return sorted(chosen)
