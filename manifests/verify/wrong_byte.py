"""Which byte is wrong, told from a CRC-32 alone.

A CRC is linear: the difference of the checksums of two equally long messages is the checksum
(without the usual inversions) of the difference of the messages. Where they differ in one byte,
that checksum is the byte's own, carried on over the zeros behind it. So it is carried back, zero by
zero, until it is the checksum of some single byte.
"""

from functools import lru_cache

POLYNOMIAL = 0xEDB88320
"""zlib's, reflected."""


def wrong_byte(size: int, asked: int, found: int) -> tuple[int, int] | None:
    """Find the one byte of a message that makes its CRC-32 `found` instead of `asked`.

    Returns:
        (its place, what to xor it with); None where no single byte does. Where several bytes
        are wrong, a place may be returned by chance (255 in 2^32 for each byte of the message), so
        the mended message must be proven by other means.
    """
    table, by_top, singles = _tables()
    state = asked ^ found
    for place in range(size - 1, -1, -1):
        if state in singles:
            return place, singles[state]
        last = by_top[state >> 24]
        state = ((state ^ table[last]) << 8) & 0xFFFFFFFF | last
    return None


@lru_cache(maxsize=1)
def _tables() -> tuple[list[int], list[int], dict[int, int]]:
    """CRC of each byte; the byte whose CRC has a given top byte; the byte of each CRC."""
    table = []
    for byte in range(256):
        state = byte
        for _ in range(8):
            state = (state >> 1) ^ (POLYNOMIAL if state & 1 else 0)
        table.append(state)
    by_top = [0] * 256
    for byte, state in enumerate(table):
        by_top[state >> 24] = byte
    return table, by_top, {state: byte for byte, state in enumerate(table) if byte}
