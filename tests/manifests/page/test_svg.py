import itertools
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.page.svg import Bar, Stage, bars, columns, funnel, tag

LABEL = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=60)
BAR = st.builds(Bar, LABEL, st.floats(0, 1e15), LABEL)


def elements(svg: str, name: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(name))


@given(st.lists(BAR, max_size=8))
def test_drawings_are_well_formed_whatever_the_labels(rows):
    for svg in (bars("a title", rows), columns("a title", rows, "an axis")):
        assert len(elements(svg, "rect")) == len(rows)


@given(st.lists(st.builds(Stage, LABEL, st.floats(0, 1e15), LABEL, st.lists(BAR)), max_size=4))
def test_a_funnel_draws_each_stage_and_each_loss(stages):
    losses = sum(len(stage.lost) for stage in stages[1:])
    assert len(elements(funnel("a title", stages), "rect")) == len(stages) + losses


def test_what_is_written_behind_a_loss_ends_before_the_losses_of_the_next_stage():
    lost = [Bar("license_denied", 30, "22.5 MB, 3,485 documents")]
    stages = [Stage(name, 100 - 30 * place, "", lost) for place, name in enumerate("abcd")]
    texts = elements(funnel("a title", stages), "text")
    starts = [float(text.get("x", "")) for text in texts if text.text == lost[0].text]
    widest = 7 * len(lost[0].text)
    assert len(starts) == 3
    assert all(b - a > widest for a, b in itertools.pairwise(starts))
    leaves = [float(text.get("x", "")) for text in texts if text.text in tuple("bc")]
    assert all(start + widest < leave + 10 for start, leave in zip(starts, leaves, strict=False))


def test_lengths_are_in_proportion():
    drawn = elements(bars("a title", [Bar("a", 10, ""), Bar("b", 5, ""), Bar("c", 0, "")]), "rect")
    widths = [float(item.get("width", "")) for item in drawn]
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.01)
    assert widths[2] == 0


def test_a_screen_reader_hears_the_title_and_every_value():
    svg = ET.fromstring(bars("Tokens & bytes", [Bar("python", 3, "3 tokens")]))
    titles = {item.get("id"): item.text for item in svg.iter("title")}
    assert svg.get("role") == "img"
    assert titles[svg.get("aria-labelledby")] == "Tokens & bytes"
    assert "python: 3 tokens" in titles.values()


def test_a_cut_label_is_whole_in_its_title():
    label = "the-stack/" + "long-" * 20
    svg = bars("a title", [Bar(label, 1, "1")])
    assert f"{label}: 1" in [element.text for element in elements(svg, "title")]


def test_attributes_are_escaped():
    assert tag("a", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;"/>'
