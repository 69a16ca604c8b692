import xml.etree.ElementTree as ET

from pipelines.report.html import details, disclosure, section, table


def test_every_text_is_escaped():
    page = section("<a>", "b & c", table(["<d>", "e"], [["<f>", "&g"]]), disclosure("<h>", ""))
    words = list(ET.fromstring(page).itertext())
    assert words == ["<a>", "b & c", "<d>", "e", "<f>", "&g", "<h>"]


def test_columns_after_the_words_are_numbers():
    cells = list(ET.fromstring(table(["name", "count"], [["x", 1], ["y", 2]])).iter("td"))
    assert [cell.get("class") for cell in cells] == [None, "number"] * 2


def test_a_table_without_rows_is_left_out():
    assert details("nothing", ["a"], []) == ""
    assert "<summary>one</summary>" in details("one", ["a"], [["b"]])
