"""Counter-based random numbers: number i of a key is a function of (key, i) alone.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014, with Vigna's constants). A number becomes one below a bound by a multiply
and a shift (Lemire, "Fast random integer generation in an interval", 2019, without the rejection:
with bounds below 2^40 the bias is under 2^-24).

Kernels call `mix`, `draw`, `derive`, `below` and `subset`; keys and numbers are uint64, bounds are
int64 above 0. Other code calls `derive_key`, `shuffled` and `uniforms`, which take Python ints.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from manifests.prng.jit import compiled

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_1, _58, _DE_BRUIJN = np.uint64(1), np.uint64(58), np.uint64(0x03F79D71B4CB0A89)
_BITS = np.argsort([(1 << bit) * int(_DE_BRUIJN) % (1 << 64) >> 58 for bit in range(64)])
"""The position of a single bit, by the upper 6 bits of its product with a de Bruijn sequence."""


@compiled(inline=True)
def mix(value: np.uint64) -> np.uint64:
    """Return SplitMix64's finalizer of a number, a bijection."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


@compiled(inline=True)
def draw(key: np.uint64, index: int | np.uint64) -> np.uint64:
    """Return number `index` (from 0) of the sequence seeded with `key`."""
    return mix(key + (np.uint64(index) + np.uint64(1)) * _GAMMA)


@compiled(inline=True)
def derive(key: np.uint64, part: int | np.uint64) -> np.uint64:
    """Return the key of child `part`, whose numbers are not those of `key`."""
    return draw(mix(~key), part)


@compiled(inline=True)
def below(value: np.uint64, bound: int) -> int:
    """Return the high half of the 128-bit product of a number and `bound`, from 0 to bound - 1."""
    factor = np.uint64(bound)
    low, high = value & _LOW, value >> _32
    few, many = factor & _LOW, factor >> _32
    middle = low * many
    carry = (low * few >> _32) + (middle & _LOW) + (high * few & _LOW)
    product = high * many + (middle >> _32) + (high * few >> _32) + (carry >> _32)
    return int(np.int64(product))


MAX_INSERTED = 8
"""Largest subset for insertion sort; above this size a bitmap is faster."""

SCANNED = 512
"""Up to so many numbers of the range for each one of the subset, a bitmap is faster."""


@compiled()
def subset(
    key: np.uint64, index: int, size: int, bound: int, chosen: npt.NDArray[np.int64]
) -> None:
    """Write a random subset of `range(bound)` in ascending order, all subsets equally likely.

    Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM 1987).

    Args:
        key: key of the numbers that are drawn.
        index: first number of `key` that is drawn; `size` numbers are drawn.
        size: size of the subset.
        bound: end of the range.
        chosen: int64 [size or more], for the result.
    """
    if size > MAX_INSERTED and bound < SCANNED * size:
        _subset_by_bitmap(key, index, size, bound, chosen)
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
def _subset_by_bitmap(
    key: np.uint64, index: int, size: int, bound: int, chosen: npt.NDArray[np.int64]
) -> None:
    """Write the subset of `subset` with a bitmap of `range(bound)`, in words of 64 bits."""
    words = np.zeros((bound + 63) >> 6, np.uint64)
    for count in range(size):
        last = bound - size + count
        number = below(draw(key, index + count), last + 1)
        if words[number >> 6] >> np.uint64(number & 63) & _1:
            number = last
        words[number >> 6] |= _1 << np.uint64(number & 63)
    place = 0
    for i in range(len(words)):
        word = words[i]
        while word != 0:
            lowest = word & (~word + _1)
            chosen[place] = 64 * i + _BITS[(lowest * _DE_BRUIJN) >> _58]
            place += 1
            word ^= lowest


@compiled()
def _draw_many(key: np.uint64, count: int) -> npt.NDArray[np.uint64]:
    """Return the first `count` numbers of `key`, uint64 [count]."""
    numbers = np.empty(count, np.uint64)
    for index in range(count):
        numbers[index] = draw(key, index)
    return numbers


def shuffled(key: int, count: int) -> npt.NDArray[np.intp]:
    """Return a permutation of `range(count)`: the order of the first `count` numbers of `key`."""
    return np.argsort(_draw_many(np.uint64(key), count), kind="stable")


def uniforms(key: int, count: int) -> npt.NDArray[np.float32]:
    """Return the first `count` numbers of `key` as numbers from 0 to below 1, float32 [count]."""
    bits = _draw_many(np.uint64(key), count) >> np.uint64(40)
    return np.ldexp(bits.astype(np.float32), -24)


def derive_key(key: int, *parts: int | str) -> int:
    """Return the key of a descendant: each part is the number or the name of a child."""
    for part in parts:
        number = name_number(part) if isinstance(part, str) else part
        key = int(derive(np.uint64(key), np.uint64(number)))
    return key


def name_number(name: str) -> int:
    """Return the 64-bit number of a name: blake2b of its UTF-8, little-endian."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
