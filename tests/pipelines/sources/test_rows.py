"""The forms in which data sets hold texts, licenses and stars."""

import pyarrow as pa
import pytest

from pipelines.sources.rows import clean_text, component_slug, star_count, string_list, text_column


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
def test_clean_text(value: object, text: str | None, fault: str | None) -> None:
    assert clean_text(value) == (text, fault)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("MIT", ["MIT"]),
        (["MIT", None], ["MIT", None]),
        ({"list": [{"item": "MIT"}, {"item": None}]}, ["MIT", None]),
        ({"other": 1}, None),
        (7, None),
    ],
)
def test_string_list(value: object, expected: object) -> None:
    assert string_list(value) == expected


@pytest.mark.parametrize(("value", "stars"), [(None, None), (3, 3), (3.0, 3), (float("nan"), None)])
def test_star_count(value: object, stars: int | None) -> None:
    assert star_count(value) == stars


def test_component_slug_always_has_an_answer() -> None:
    assert component_slug("C++") == "cpp"
    assert component_slug(None) == component_slug("中文") == "unknown"


def test_text_column_finds_what_parquet_does_not_check() -> None:
    binary = pa.array([b"fine", None, b"\xff\xfe", "ü".encode()], pa.binary())
    column = pa.chunked_array([binary])
    texts, faults = text_column(column)
    assert texts.to_pylist() == ["fine", None, None, "ü"]
    assert faults == [None, "null_text", "invalid_utf8", None]
