"""Plot growth as SVG: linear axes that start at 0."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from manifests.page.svg import INK, KEPT, LOST, RULE, SOFT, WIDTH, picture, tag

HEIGHT, GAP, LEFT = 230, 70, 62


@dataclass(frozen=True)
class Panel:
    """One plot.

    Attributes:
        title: what is measured, with its unit.
        axis: what grows, with its unit.
        points: (size, measured) pairs, by size.
        allowed: likewise, a limit that is drawn as a broken line; none by default.
    """

    title: str
    axis: str
    points: Sequence[tuple[float, float]]
    allowed: Sequence[tuple[float, float]] = ()


def page(title: str, panels: Sequence[Panel]) -> str:
    """Draw panels, two beside each other, as an SVG file."""
    width = (WIDTH - GAP) / 2
    drawn = [
        _drawn(panel, (place % 2) * (width + GAP), (place // 2) * (HEIGHT + GAP), width)
        for place, panel in enumerate(panels)
    ]
    height = -(-len(panels) // 2) * (HEIGHT + GAP)
    ground = tag("rect", width=WIDTH, height=height, fill="#ffffff")
    return tag(
        "svg",
        picture(title, height, [ground, *drawn]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        font_family="sans-serif",
    )


def _drawn(panel: Panel, x: float, y: float, width: float) -> str:
    both = [*panel.points, *panel.allowed]
    most, highest = max(size for size, _ in both), max(value for _, value in both)
    right, bottom = width - 20, HEIGHT - 40

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across = x + LEFT + (right - LEFT) * point[0] / most
        return round(across, 1), round(y + bottom - (bottom - 40) * point[1] / highest, 1)

    (left, ground), (end, top) = at((0, 0)), at((most, highest))
    shapes = [
        _label(x, y + 18, panel.title, INK, "start"),
        tag("path", d=f"M{left},{top} V{ground} H{end}", fill="none", stroke=RULE),
        _label(end, ground + 34, panel.axis, SOFT, "end"),
        _label(left - 8, top + 5, f"{highest:.3g}", SOFT, "end"),
        _label(left - 8, ground + 5, "0", SOFT, "end"),
        _line(list(map(at, panel.points))),
    ]
    for size, value in panel.points:
        across, height = at((size, value))
        shapes.append(tag("circle", tag("title", f"{value:.4g}"), cx=across, cy=height, r=4))
        shapes.append(_label(across, ground + 16, f"{size:.3g}", SOFT, "middle"))
    if panel.allowed:
        shapes.append(_line(list(map(at, panel.allowed)), stroke=LOST, stroke_dasharray="6 4"))
        shapes.append(_label(end, at(panel.allowed[-1])[1] - 6, "allowed", LOST, "end"))
    return tag("g", "".join(shapes), fill=KEPT)


def _line(points: Sequence[tuple[float, float]], **style: str) -> str:
    path = " ".join(f"{across},{height}" for across, height in points)
    return tag("polyline", points=path, fill="none", **({"stroke": KEPT} | style))


def _label(x: float, y: float, text: str, color: str, anchor: str) -> str:
    return tag("text", html.escape(text), x=x, y=y, fill=color, text_anchor=anchor, font_size=13)
