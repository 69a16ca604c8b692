"""Draw numbers over time as inline SVG, with axes whose ticks are round numbers."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from manifests.page.svg import INK, PALETTE, RULE, SMALL, SOFT, WIDTH, label, picture, tag

LEFT, RIGHT, TOP, HEIGHT = 64, WIDTH - 12, 52, 220
"""The plot reaches from LEFT to RIGHT, and from TOP down by HEIGHT."""

BUCKETS = 300
"""Maximum number of points of a line. Ours: three pixels each. A bucket of several points is drawn
as their mean, and as a band from their least to their greatest number."""


@dataclass(frozen=True)
class Curve:
    """A line: its name, and its points (x, y) by ascending x."""

    name: str
    points: Sequence[tuple[float, float]]


class _Bucket(NamedTuple):
    """Points beside each other: the mean of their x, and least, mean and greatest y."""

    x: float
    low: float
    mean: float
    high: float


class _Scale(NamedTuple):
    """A linear map from numbers between `low` and `high` to places."""

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.start + share * (self.stop - self.start), 1)


def draw_curves(title: str, curves: Sequence[Curve], axis: str) -> str:
    """Draw curves in one plot, each in its own color.

    Args:
        title: unique in a page.
        curves: with at least one point in all.
        axis: what x counts.
    """
    bucketed = [_buckets(curve.points) for curve in curves]
    every = [bucket for buckets in bucketed for bucket in buckets]
    y_ticks = ticks(min(b.low for b in every), max(b.high for b in every))
    xs = [bucket.x for bucket in every]
    across = _Scale(min(xs), max(xs), LEFT, RIGHT)
    up = _Scale(y_ticks[0], y_ticks[-1], TOP + HEIGHT, TOP)
    drawn = [label(0, 14, title, font_weight=600), *_legend(curves)]
    drawn += _grid(across, up, y_ticks)
    for number, buckets in enumerate(bucketed):
        color = PALETTE[number % len(PALETTE)]
        drawn += _line(curves[number], buckets, across, up, color)
    drawn.append(label(RIGHT, TOP + HEIGHT + 36, axis, text_anchor="end", fill=SOFT))
    return picture(title, TOP + HEIGHT + 44, drawn)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return ascending multiples of 1, 2 or 5 times a power of ten that enclose two numbers.

    Args:
        low: a finite number.
        high: a finite number, not below `low`.
        most: maximum number of steps between the enclosed ticks.
    """
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        last += 1
    return [number * step for number in range(first, last + 1)]


def _buckets(points: Sequence[tuple[float, float]]) -> list[_Bucket]:
    """Return at most BUCKETS buckets with equally many points."""
    count = min(BUCKETS, len(points))
    buckets = []
    for number in range(count):
        some = points[number * len(points) // count : (number + 1) * len(points) // count]
        ys = [y for _, y in some]
        x = sum(x for x, _ in some) / len(some)
        buckets.append(_Bucket(x, min(ys), sum(ys) / len(ys), max(ys)))
    return buckets


def _grid(across: _Scale, up: _Scale, y_ticks: Iterable[float]) -> Iterator[str]:
    """Yield the lines and the numbers of both axes."""
    for value in y_ticks:
        y = up.place(value)
        yield tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, stroke=RULE)
        yield label(LEFT - 8, y + 4, _number(value), text_anchor="end", fill=SOFT, font_size=SMALL)
    for value in ticks(across.low, across.high):
        if across.low <= value <= across.high:
            x = across.place(value)
            text, below = _number(value), TOP + HEIGHT + 17
            yield label(x, below, text, text_anchor="middle", fill=SOFT, font_size=SMALL)


def _legend(curves: Sequence[Curve]) -> Iterator[str]:
    """Yield the name of each curve in its color, above the plot."""
    x = float(LEFT)
    for number, curve in enumerate(curves):
        color = PALETTE[number % len(PALETTE)]
        yield tag("rect", x=x, y=31, width=14, height=4, rx=2, fill=color)
        yield label(x + 20, 37, curve.name, fill=INK, font_size=SMALL)
        x += 44 + 6.6 * len(curve.name)


def _line(
    curve: Curve, buckets: Sequence[_Bucket], across: _Scale, up: _Scale, color: str
) -> Iterator[str]:
    """Yield the band and the line of a curve; a single point is a dot."""
    xs = [across.place(bucket.x) for bucket in buckets]
    high = [(x, up.place(bucket.high)) for x, bucket in zip(xs, buckets, strict=True)]
    low = [(x, up.place(bucket.low)) for x, bucket in zip(xs, buckets, strict=True)]
    if high != low:
        band = _path([*high, *reversed(low)])
        yield tag("polygon", points=band, fill=color, fill_opacity=0.18)
    means = [(x, up.place(bucket.mean)) for x, bucket in zip(xs, buckets, strict=True)]
    about = tag("title", escape(f"{curve.name}: {_number(buckets[-1].mean)} at the end"))
    if len(means) == 1:
        yield tag("circle", about, cx=means[0][0], cy=means[0][1], r=3, fill=color)
    elif means:
        yield tag(
            "polyline", about, points=_path(means), fill="none", stroke=color, stroke_width=1.6
        )


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _number(value: float) -> str:
    """Return the number of a tick in few characters: 0.0002 as 2e-4, 350,000 as 350k."""
    size = abs(value)
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= 10 * unit or (unit > 1e3 and size >= unit):
            return f"{value / unit:g}{name}"
    if 0 < size < 1e-3:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.6g}"
