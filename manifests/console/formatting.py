"""Numbers as text for people."""

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_COUNTS = ("", " thousand", " million", " billion", " trillion")


def count(number: float) -> str:
    """Return a count with commas: `1,234,567`."""
    return f"{number:,.0f}"


def short_count(number: float) -> str:
    """Return a count with three digits: `1.23 million`; below 10,000 with all digits."""
    return count(number) if abs(number) < 10_000 else _scaled(number, _COUNTS, "")


def size(number: float) -> str:
    """Return a number of bytes in powers of 1000: `1.23 MB`."""
    return _scaled(number, _SIZES, " ")


def share(part: float, whole: float) -> str:
    """Return `part / whole` as a percentage: `12.3 %`; a dash if `whole` is 0."""
    if not whole:
        return "-"
    percentage = 100 * part / whole
    if 0 < percentage < 0.1:
        return "< 0.1 %"
    if 99.9 < percentage < 100:
        return "> 99.9 %"
    return f"{percentage:.1f} %"


def plural(number: int, word: str) -> str:
    """Return a count with its noun: `1 shard`, `2 shards`."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def _scaled(number: float, units: tuple[str, ...], gap: str) -> str:
    """Return a number with three digits, divided by a power of 1000 that has a unit."""
    power = 0
    while abs(number) >= 999.5 and power < len(units) - 1:
        number /= 1000
        power += 1
    digits = 0 if power == 0 or abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:.{digits}f}{gap}{units[power]}"
