"""SplitMix64 in plain Python: the oracle of `manifests.prng.splitmix`."""

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


def derive(key: int, part: int) -> int:
    """Return the key of child `part`."""
    return draw(mix(key ^ MASK), part)


def below(value: int, bound: int) -> int:
    """Map a 64-bit number to [0, bound) by multiply and shift."""
    return (value * bound) >> 64


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
