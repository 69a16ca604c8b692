"""Draw bars, histograms and a funnel as inline SVG: functions from numbers to text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

KEPT = "#2f6f9f"
LOST = "#c4623f"
INK = "#1f2933"
SOFT = "#52606d"
RULE = "#d9e0e6"
PALETTE = ("#2f6f9f", "#3a8a6e", "#a9741a", "#7c5aa6", "#b04a6f", "#5b6770")
"""Colors of groups. Each has a contrast of at least 3:1 to white (WCAG 2.2, 1.4.11)."""

WIDTH = 920

SMALL = 12
"""Font size of the labels of columns and losses."""

LABEL = {"text_anchor": "start", "fill": INK, "font_size": 13.5, "font_weight": 400}
"""Attributes of a text."""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, the text behind the bar, and its color."""

    label: str
    value: float
    text: str
    color: str = KEPT


@dataclass(frozen=True)
class Stage:
    """A stage of a funnel: the amount kept after the stage, and the amounts lost, by reason."""

    name: str
    kept: float
    text: str
    lost: Sequence[Bar] = field(default_factory=tuple)


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return one element. `_` in the name of an attribute becomes `-`; values are escaped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Draw horizontal bars, one a row, with the label before and the text behind each bar."""
    longest = max((bar.value for bar in rows), default=0) or 1
    left, room, step = 255, WIDTH - 255 - 190, 26
    drawn = []
    for row, bar in enumerate(rows):
        y = row * step
        length = max(1.5, room * bar.value / longest) if bar.value else 0
        shapes = (
            tag("title", escape(f"{bar.label}: {bar.text}"))
            + label(left - 10, y + 17, _fitted(bar.label, 28), text_anchor="end")
            + tag("rect", x=left, y=y + 4, width=length, height=step - 8, rx=2, fill=bar.color)
            + label(left + length + 8, y + 17, bar.text, fill=SOFT)
        )
        drawn.append(tag("g", shapes))
    return picture(title, len(rows) * step + 2, drawn)


def columns(title: str, bins: Sequence[Bar], axis: str) -> str:
    """Draw a histogram: one column a bin, with the label below and the text above the column."""
    highest = max((bar.value for bar in bins), default=0) or 1
    top, height = 22, 190
    step = min(90.0, WIDTH / max(1, len(bins)))
    drawn = [tag("line", x1=0, x2=step * len(bins), y1=top + height, y2=top + height, stroke=RULE)]
    for place, bar in enumerate(bins):
        tall = max(1.5, height * bar.value / highest) if bar.value else 0
        x, y, center = place * step, top + height - tall, place * step + step / 2
        shapes = (
            tag("title", escape(f"{bar.label}: {bar.text}"))
            + tag("rect", x=x + 2, y=y, width=step - 4, height=tall, rx=2, fill=bar.color)
            + label(center, top + height + 16, bar.label, text_anchor="middle", font_size=SMALL)
            + label(center, y - 5, bar.text, text_anchor="middle", fill=SOFT, font_size=SMALL)
        )
        drawn.append(tag("g", shapes))
    drawn.append(label(0, top + height + 38, axis, fill=SOFT, font_size=SMALL))
    return picture(title, top + height + 46, drawn)


def funnel(title: str, stages: Sequence[Stage]) -> str:
    """Draw kept amounts as a band that goes on, and lost amounts as bands that leave.

    The first stage is the input. Heights are in proportion to the largest stage.
    """
    scale = 150 / (max((stage.kept for stage in stages), default=0) or 1)
    step = (WIDTH - 165) / max(1, len(stages) - 1)
    top, drawn, bottom = 44.0, [], 44.0 + 150
    for place, stage in enumerate(stages):
        x, tall = place * step, max(1.0, stage.kept * scale)
        if place:
            before = max(1.0, stages[place - 1].kept * scale)
            drawn.append(_band((x - step + 10, top), (x, top), min(tall, before), KEPT))
            # Short, so that the text behind a loss ends before the losses of the next stage.
            across = (x - step + 10, min(x - 30, x - step + 70))
            losses, reached = _losses(stage, across, top + tall, scale)
            drawn.append(losses)
            bottom = max(bottom, reached)
        drawn.append(tag("rect", x=x, y=top, width=10, height=tall, rx=1, fill=KEPT))
        drawn.append(label(x, 16, stage.name, font_weight=600))
        drawn.append(label(x, 34, stage.text, fill=SOFT))
    return picture(title, bottom + 8, drawn)


def _losses(
    stage: Stage, across: tuple[float, float], leaves: float, scale: float
) -> tuple[str, float]:
    """Draw the losses of a stage; return the drawing and the height that it reaches."""
    (left, right), lands = across, leaves + 22
    drawn = []
    for bar in stage.lost:
        thick = max(1.0, bar.value * scale)
        slot = max(thick, 30)
        y = lands + (slot - thick) / 2
        shapes = (
            tag("title", escape(f"{bar.label}: {bar.text}"))
            + _band((left, leaves), (right, y), thick, LOST)
            + tag("rect", x=right, y=y, width=5, height=thick, fill=LOST)
            + label(right + 10, lands + slot / 2 - 3, _fitted(bar.label, 24), font_size=SMALL)
            + label(right + 10, lands + slot / 2 + 11, bar.text, fill=SOFT, font_size=SMALL)
        )
        drawn.append(tag("g", shapes))
        leaves += bar.value * scale
        lands += slot + 8
    return "".join(drawn), lands + 4


def _band(start: tuple[float, float], stop: tuple[float, float], thick: float, color: str) -> str:
    (x1, y1), (x2, y2) = start, stop
    middle = (x1 + x2) / 2
    path = (
        f"M{x1:.1f},{y1:.1f} C{middle:.1f},{y1:.1f} {middle:.1f},{y2:.1f} {x2:.1f},{y2:.1f} "
        f"V{y2 + thick:.1f} "
        f"C{middle:.1f},{y2 + thick:.1f} {middle:.1f},{y1 + thick:.1f} {x1:.1f},{y1 + thick:.1f} Z"
    )
    return tag("path", d=path, fill=color, fill_opacity=0.28)


def picture(title: str, height: float, shapes: Iterable[str]) -> str:
    """Return an SVG of shapes that scales with the page and has a title for screen readers.

    The id of the title is made from the title: titles are unique in a page.
    """
    name = "drawing-" + re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
    return tag(
        "svg",
        tag("title", escape(title), id=name) + "".join(shapes),
        viewBox=f"0 0 {WIDTH} {_text(height)}",
        role="img",
        aria_labelledby=name,
    )


def label(x: float, y: float, text: str, **style: object) -> str:
    """Draw a text; `style` has attributes that differ from LABEL."""
    return tag("text", escape(text), x=x, y=y, **(LABEL | style))


def _fitted(text: str, most: int) -> str:
    """Return a label of at most `most` characters; tooltip and table have the whole label."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
