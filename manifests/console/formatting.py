"""Numbers as people read them."""

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_COUNTS = ("", " thousand", " million", " billion", " trillion")


def count(number: float) -> str:
    """Write a count in full, with commas: `1,234,567`."""
    return f"{number:,.0f}"


def short_count(number: float) -> str:
    """Write a count in three digits: `1.23 million`; below 10,000 in full."""
    return count(number) if abs(number) < 10_000 else _scaled(number, _COUNTS, "")


def size(number: float) -> str:
    """Write a number of bytes in powers of 1000: `1.23 MB`."""
    return _scaled(number, _SIZES, " ")


def share(part: float, whole: float) -> str:
    """Write `part / whole` as a percentage: `12.3 %`; a dash where there is no whole."""
    if not whole:
        return "-"
    percentage = 100 * part / whole
    if 0 < percentage < 0.1:
        return "< 0.1 %"
    if 99.9 < percentage < 100:
        return "> 99.9 %"
    return f"{percentage:.1f} %"


def plural(number: int, word: str) -> str:
    """Write a count with its noun: `1 shard`, `2 shards`."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def _scaled(number: float, units: tuple[str, ...], gap: str) -> str:
    power = 0
    while abs(number) >= 999.5 and power < len(units) - 1:
        number /= 1000
        power += 1
    digits = 0 if power == 0 or abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:.{digits}f}{gap}{units[power]}"
