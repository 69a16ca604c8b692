"""Plots are whole SVG files, and what is linear is drawn as a line."""

from xml.etree import ElementTree

from benchmarks.plots import Panel, page

SVG = "{http://www.w3.org/2000/svg}"


def test_points_stand_in_proportion() -> None:
    linear = Panel("seconds", "million documents", [(1, 10), (2, 20), (8, 80)])
    bounded = Panel("GB & more", "million documents", [(1, 1)], allowed=[(1, 2), (3, 4)])
    drawn = ElementTree.fromstring(page("growth", [linear, bounded]))
    circles = list(drawn.iter(f"{SVG}circle"))
    assert len(circles) == 4
    x, y = ([float(circle.attrib[name]) for circle in circles[:3]] for name in ("cx", "cy"))
    assert abs((x[2] - x[1]) / (x[1] - x[0]) - 6) < 0.02
    assert abs((y[1] - y[2]) / (y[0] - y[1]) - 6) < 0.02
    assert [line.get("stroke-dasharray") for line in drawn.iter(f"{SVG}polyline")][2] == "6 4"
    assert "allowed" in [text.text for text in drawn.iter(f"{SVG}text")]
