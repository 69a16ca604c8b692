"""Conversion of texts, licenses and stars from the forms that data sets use."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.columns import Columns
from pipelines.sources.own import OwnJsonLines
from pipelines.sources.rows import (
    ROWS,
    ColumnContent,
    can_hold,
    clean_text,
    component_slug,
    star_count,
    string_list,
    text_column,
    values,
)
from pipelines.sources.the_pile import ThePile


@pytest.mark.parametrize(
    ("value", "text", "fault"),
    [
        ("a", "a", None),
        ("", "", None),
        (["a", "b"], "a\n\nb", None),
        (None, None, "null_text"),
        (3, None, "null_text"),
        ([1], None, "null_text"),
        ("\ud800", None, "invalid_utf8"),
    ],
)
def test_a_json_value_becomes_a_text_or_a_fault(
    value: object, text: str | None, fault: str | None
) -> None:
    assert clean_text(value) == (text, fault)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("MIT", ["MIT"]),
        (["MIT", None], ["MIT", None]),
        ({"list": [{"item": "MIT"}, {"item": None}]}, ["MIT", None]),
        ({"list": [{"element": "MIT"}, None]}, ["MIT", None]),
        ({"list": "MIT"}, ["MIT"]),
        ([["MIT"], 3], ["MIT", None]),
        ([[[[[["MIT"]]]]]], [None]),
        (["a\ud800"], ["a\ufffd"]),
        (b"MIT", None),
        ({"other": 1}, None),
        (7, None),
    ],
)
def test_lists_of_any_form_become_lists_of_strings(value: object, expected: object) -> None:
    assert string_list(value) == expected


@pytest.mark.parametrize(
    ("value", "stars"),
    [
        (None, None),
        (3, 3),
        (3.0, 3),
        (float("nan"), None),
        (float("inf"), None),
        (-1, None),
        (2**70, None),
        (True, None),
        ("3", None),
        ([3], None),
    ],
)
def test_stars_are_whole_numbers_or_unknown(value: object, stars: int | None) -> None:
    assert star_count(value) == stars


def test_a_component_without_a_slug_is_unknown() -> None:
    assert component_slug("C++") == "cpp"
    assert component_slug(None) == component_slug("中文") == component_slug(7) == "unknown"


def test_invalid_utf8_in_a_text_column_is_a_fault() -> None:
    binary = pa.array([b"fine", None, b"\xff\xfe", "ü".encode()], pa.binary())
    column = pa.chunked_array([binary])
    texts, faults = text_column(column)
    assert texts.to_pylist() == ["fine", None, None, "ü"]
    assert faults == [None, "null_text", "invalid_utf8", None]


def test_invalid_utf8_in_metadata_is_repaired_at_any_depth() -> None:
    wrong = pa.array([b"a\xff/b", None, b"fine"], pa.binary()).cast(pa.large_binary())
    names = pa.Array.from_buffers(pa.large_string(), 3, wrong.buffers())
    mended = ["a\ufffd/b", None, "fine"]
    assert values(pa.chunked_array([names])) == mended
    lists = pa.LargeListArray.from_arrays(pa.array([0, 3]), names)
    assert values(pa.chunked_array([lists])) == [mended]
    structs = pa.StructArray.from_arrays([names, pa.array([1, 2, 3])], ["item", "n"])
    assert values(pa.chunked_array([structs]))[0] == {"item": "a\ufffd/b", "n": 1}
    assert values(pa.chunked_array([names.slice(2).dictionary_encode()])) == ["fine"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["list", "item", "element", "x"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries(dict.fromkeys("trplsc", json_values)))
def test_any_json_becomes_a_row(record: dict[str, object]) -> None:
    columns = Columns(text="t", repo="r", path="p", license="l", stars="s", component="c")
    line = json.dumps(record).encode()
    line_of_the_pile = json.dumps({"text": record["t"], "meta": record["r"]}).encode()
    rows = [OwnJsonLines(columns).parse_row(line), ThePile().parse_row(line_of_the_pile)]
    table = pa.Table.from_pylist([{"input_row": 0, **row} for row in rows], schema=ROWS)
    assert len(table.to_pylist()) == 2
    assert all(row["fault"] or row["text"] is not None for row in table.to_pylist())


@pytest.mark.parametrize(
    ("content", "kind", "accepted"),
    [
        ("text", pa.string(), True),
        ("text", pa.binary(), True),
        ("text", pa.dictionary(pa.int8(), pa.string()), True),
        ("text", pa.null(), True),
        ("text", pa.int64(), False),
        ("text", pa.list_(pa.string()), False),
        ("name", pa.large_string(), True),
        ("name", pa.binary(), False),
        ("number", pa.float64(), True),
        ("number", pa.string(), False),
        ("names", pa.struct([("list", pa.list_(pa.int8()))]), True),
    ],
)
def test_a_column_type_can_or_cannot_hold_a_content(
    content: ColumnContent, kind: pa.DataType, accepted: bool
) -> None:
    assert can_hold(kind, content) == accepted
