import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.headers.normalize import CUT, normalize
from filters.headers.passages import passages
from filters.headers.words import find_words
from filters.text import text_bytes

GPL = [
    "This program is free software: you can redistribute it and/or modify",
    "it under the terms of the GNU General Public License as published by",
    "the Free Software Foundation, either version 3 of the License, or",
    "(at your option) any later version.",
]


def of(text):
    data = text if isinstance(text, bytes) else text.encode()
    array = pa.array([data], pa.large_binary()).view(pa.large_string())
    return passages(data, find_words(*text_bytes(array)).at.tolist())


def commented(style):
    opened, mark, closed = style
    return [opened, *[mark + line for line in GPL], closed]


STYLES = [
    ("/*", " * ", " */"),
    ("/*", "", "*/"),
    ("//", "// ", "//"),
    ("#", "# ", "#"),
    ("--", "-- ", "--"),
    (";;", ";; ", ";;"),
    ("<!--", "  ", "-->"),
    ('"""', "", '"""'),
    ("%", "% ", "%"),
    ("(*", " ", "*)"),
    ("C", "C     ", "C"),
]


@pytest.mark.parametrize("style", STYLES)
def test_a_notice_is_the_same_in_any_style_of_comment(style):
    lines = [*commented(style), "int x = f(y);"]
    (passage,) = of("\n".join(lines))
    assert normalize(passage.lines) == " ".join(GPL).lower().encode()
    assert passage.first <= 2
    assert passage.last == 5 or lines[passage.last - 1] == style[2]


def test_names_years_and_wrapping_do_not_tell_texts_apart():
    one = ["Copyright (c) 2012-2019 Somebody <a@b.org>", *GPL]
    other = ["(C) 1999, Ann Other. All rights reserved.", "@author Ann", " ".join(GPL).upper()]
    assert normalize([x.encode() for x in one]) == normalize([x.encode() for x in other])


def test_versions_of_licenses_stay():
    text = normalize([b"GNU General Public License", b"version 2 of the license"])
    assert text == b"gnu general public license version 2 of the license"


def test_who_speaks_in_bsd():
    line = b"Neither the name of ACME Corp. nor the names of its contributors: license"
    assert b"acme" not in normalize([line])


def test_a_description_before_a_notice_is_not_part_of_it():
    lines = [b"A test of isatty().", b"Copyright (C) 2007 Free Software Foundation", b"", b"GPL v2"]
    assert normalize(lines) == b"gpl v2"


def test_a_passage_further_down():
    text = "int a = b;\n" * 50 + "// Adapted from foo, licensed under the GPL.\n" + "x = y();\n" * 9
    (passage,) = of(text)
    assert (passage.first, passage.last) == (51, 51)


def test_two_paragraphs_of_one_license_are_one_passage():
    lines = ["# " + line for line in GPL] + ["#", "# It comes without any warranty.", "x = f(1)"]
    (passage,) = of("\n".join(lines))
    assert (passage.first, passage.last) == (1, 6)


def test_code_that_names_a_license_is_a_line_of_its_own():
    text = 'x = {"a": 1};\nlicense = f("MIT");\ny = {"b": 2};'
    (passage,) = of(text)
    assert (passage.first, passage.last) == (2, 2)


def test_one_line_of_40_megabytes():
    text = b"x" * 20_000_000 + b" license: GPL-2.0 " + b"y" * 20_000_000
    (passage,) = of(text)
    assert b"gpl-2.0" in normalize(passage.lines)
    assert len(normalize(passage.lines)) < 3000


def test_bytes_that_are_not_utf8():
    (passage,) = of(b"// \xff\xfe licensed under the GPL \xe9\n")
    assert normalize(passage.lines) == b"licensed under the gpl"


@given(st.lists(st.sampled_from(["license", "GPL", "x = y;", "", "# ", " * ", "é", "\r"])))
def test_passages_are_in_order_and_never_overlap(lines):
    text = "\n".join(lines)
    found = of(text)
    for before, after in itertools.pairwise(found):
        assert before.last < after.first
    for passage in found:
        assert 1 <= passage.first <= passage.last <= text.count("\n") + 1
        assert len(passage.lines) == passage.last - passage.first + 1


@given(st.binary(max_size=200))
def test_normalized_texts_are_ascii_and_short(data):
    text = normalize([*data.split(b"\n"), b"license " * 2000])
    assert len(text) <= CUT
    assert text.decode("ascii")


def test_a_name_with_a_version_is_a_legal_word():
    assert normalize([b"This file is GPLv2 as found in COPYING."])


def test_a_file_that_is_a_license_is_one_passage_to_its_end():
    lines = [
        "SOME LICENSE",
        *["", "You may use it.", "Each license is yours."] * 15,
        "",
        "The end.",
    ]
    (passage,) = of("\n".join(lines))
    assert (passage.first, passage.last, passage.whole) == (1, len(lines), True)
    assert normalize(passage.lines, whole=True).endswith(b"the end.")
