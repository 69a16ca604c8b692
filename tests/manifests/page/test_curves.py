"""Curves as SVG: every number lies inside the axes, whose ticks are round."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.page.curves import BUCKETS, HEIGHT, LEFT, RIGHT, TOP, Curve, draw_curves, ticks

NUMBERS = st.floats(-1e12, 1e12).filter(lambda number: number == 0 or abs(number) > 1e-9)


@given(NUMBERS, NUMBERS)
def test_ticks_are_round_and_enclose_the_numbers(one: float, other: float) -> None:
    low, high = sorted((one, other))
    made = ticks(low, high)
    assert made[0] <= low and high <= made[-1] and 2 <= len(made) <= 8
    step = made[1] - made[0]
    assert f"{step:.6e}"[0] in "125" and set(f"{step:.6e}"[1:8]) <= set(".0")
    assert all(b - a == pytest.approx(step) for a, b in pairwise(made))
    assert high - low == 0 or step < 1.01 * (high - low)


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=700), min_size=1, max_size=3))
def test_all_points_lie_inside_the_axes(columns) -> None:
    curves = [Curve(f"c{n}", list(enumerate(ys, 1))) for n, ys in enumerate(columns)]
    svg = ET.fromstring(draw_curves("a title", curves, "updates"))
    shapes = [*svg.iter("polyline"), *svg.iter("polygon")]
    pairs = [pair.split(",") for shape in shapes for pair in shape.get("points", "").split()]
    places = [(float(x), float(y)) for x, y in pairs]
    places += [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in svg.iter("circle")]
    assert all(LEFT - 0.1 <= x <= RIGHT + 0.1 for x, _ in places)
    assert all(TOP - 0.1 <= y <= TOP + HEIGHT + 0.1 for _, y in places)
    assert len(list(svg.iter("polyline"))) + len(list(svg.iter("circle"))) == len(columns)


def test_many_points_share_buckets_that_keep_the_extremes() -> None:
    ys = [2.0] * 5000
    ys[1234], ys[4000] = 9.0, 0.0
    svg = draw_curves("a", [Curve("loss", list(enumerate(ys)))], "updates")
    [line] = re.findall(r'<polyline points="([^"]*)"', svg)
    assert len(line.split()) == BUCKETS
    [band] = re.findall(r'<polygon points="([^"]*)"', svg)
    heights = {float(pair.split(",")[1]) for pair in band.split()}
    assert {TOP + HEIGHT, TOP + HEIGHT * 0.1} <= heights or min(heights) < TOP + HEIGHT * 0.2


def test_numbers_of_ticks_are_short() -> None:
    svg = draw_curves("a", [Curve("rate", [(0, 0.0), (350_000, 2e-4)])], "updates")
    texts = [text.text for text in ET.fromstring(svg).iter("text")]
    assert {"2e-4", "0", "100k", "rate", "updates"} <= set(texts)
