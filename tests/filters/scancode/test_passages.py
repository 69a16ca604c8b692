import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.scancode.normalize import CUT, normalize
from filters.scancode.passages import CLOSE, NEAR, REACH, _Line, _together, passages
from filters.scancode.words import find_words
from filters.utf8 import text_bytes

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


def test_texts_that_differ_in_names_years_and_wrapping_become_equal():
    one = ["Copyright (c) 2012-2019 Somebody <a@b.org>", *GPL]
    other = ["(C) 1999, Ann Other. All rights reserved.", "@author Ann", " ".join(GPL).upper()]
    assert normalize([x.encode() for x in one]) == normalize([x.encode() for x in other])


def test_versions_of_licenses_stay():
    text = normalize([b"GNU General Public License", b"version 2 of the license"])
    assert text == b"gnu general public license version 2 of the license"


def test_the_parties_of_bsd_licenses_become_equal():
    line = b"Neither the name of ACME Corp. nor the names of its contributors: license"
    assert b"acme" not in normalize([line])


def test_a_description_before_a_notice_is_not_part_of_it():
    lines = [b"A test of isatty().", b"Copyright (C) 2007 Free Software Foundation", b"", b"GPL v2"]
    assert normalize(lines) == b"gpl v2"


def test_a_passage_has_its_line_numbers():
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


def test_one_line_of_40_megabytes_is_read_in_part():
    text = b"x" * 20_000_000 + b" license: GPL-2.0 " + b"y" * 20_000_000
    (passage,) = of(text)
    assert b"gpl-2.0" in normalize(passage.lines)
    assert len(normalize(passage.lines)) < 3000


def test_bytes_that_are_not_utf8_are_read():
    (passage,) = of(b"// \xff\xfe licensed under the GPL \xe9\n")
    assert normalize(passage.lines) == b"licensed under the gpl"


@given(st.lists(st.sampled_from(["license", "GPL", "x = y;", "", "# ", " * ", "é", "\r"])))
def test_passages_are_in_order_and_never_overlap(lines):
    text = "\n".join(lines)
    result = of(text)
    for before, after in itertools.pairwise(result):
        assert before.last < after.first
    for passage in result:
        assert 1 <= passage.first <= passage.last <= text.count("\n") + 1
        assert len(passage.lines) == passage.last - passage.first + 1


@given(st.binary(max_size=200))
def test_normalized_texts_are_utf8_and_short(data):
    lines = [*data.split(b"\n"), b"license " * 20000]
    for whole in (True, False):
        text = normalize(lines, whole)
        assert 0 < len(text) <= CUT
        assert "license" in text.decode()


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


def test_a_license_keeps_every_word():
    lines = ["Licence Libre du Québec", "Copyright (c) 2009 Un Tel", "", "* Préambule “Œuvre”"]
    (passage,) = of("\n".join(lines))
    text = normalize(passage.lines, passage.whole).decode()
    words = "licence libre du québec copyright (c) 2009 un tel préambule œuvre"
    assert " ".join(text.split()) == words


def test_a_file_larger_than_any_license_is_not_a_license():
    (*result,) = of("Each license is yours.\n\n" * 6000)
    assert not any(passage.whole for passage in result)


def test_headings_and_lists_do_not_make_a_license_a_comment():
    lines = ["# A License", "", *["* Each license is yours, and", "  yours", "  alone."] * 5]
    (passage,) = of("\n".join(lines))
    assert passage.whole


MIDDLE = ["# This is the license of the thing.", "#", "# It is what it says that it is."]
MORE = ["#", "# In no event shall anybody pay damages."]
OTHER = ["#", "# This module adds numbers."]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([], [], (1, 1)),
        ([*MORE[1:], "#"], MORE + OTHER, (1, 3)),
        ([*OTHER[1:], "#"], OTHER, (3, 3)),
    ],
)
def test_a_license_goes_on_in_paragraphs_that_say_what_licenses_say(before, after, lines):
    text = "\n".join([*before, MIDDLE[0], *after, "x = f(1)", "y = g(x)"])
    (passage,) = of(text)
    expected = (1, len(before) + 1 + (2 if MORE[1] in after else 0)) if MORE[1] in before else lines
    assert (passage.first, passage.last) == expected
    assert b"numbers" not in normalize(passage.lines)
    damages = [*before, *after].count(MORE[1])
    assert normalize(passage.lines).count(b"damages") == damages


def test_a_license_that_a_program_prints_is_one_passage():
    code = [f'    print("{line}");' for line in GPL]
    (passage,) = of("\n".join(["int main() {", code[0], "", *code[1:], "}"]))
    assert (passage.first, passage.last) == (2, 6)
    assert b"modify" in normalize(passage.lines)


def test_statements_of_code_far_from_each_other_are_several_passages():
    text = '    f("license");\n' + "    g(x, y);\n" * 20 + '    f("gpl");\n'
    assert [passage.first for passage in of(text)] == [1, 22]


def test_a_list_of_licenses_in_code_is_read_a_piece_at_a_time():
    result = of("    f(x, 'license');\n" * 200)
    assert [passage.first for passage in result] == list(range(1, 200, REACH + 1))


@pytest.mark.parametrize(("apart", "count"), [(NEAR, 1), (NEAR + 1, 2)])
def test_legal_words_far_from_each_other_are_several_passages(apart, count):
    lines = ["x = f(1)"] * 100 + ["# a license"] + ["#"] * (apart - 1) + ["# a license"]
    assert len(of("\n".join(lines))) == count


def test_lines_between_hits_that_are_far_apart_are_not_read():
    def never(number):
        raise AssertionError(f"line {number} was read")

    assert not _together(never, 0, 0, NEAR + 1)


@given(st.lists(st.booleans(), min_size=1, max_size=NEAR + 4), st.integers(0, REACH))
def test_hits_near_each_other_are_one_passage_by_lines_and_code(code, before):
    following = len(code) - 1
    limit = CLOSE if any(code) else NEAR
    near = following <= limit and (not any(code) or following + before <= REACH)
    assert _together(lambda n: _Line(b"x", code[n], False), -before, 0, following) == near


def test_two_licenses_with_little_between_are_one_passage():
    lines = [*GPL, "", "Foo", "", *["and so on"] * 15, "under the BSD license"]
    text = "x = f(1)\n" * 50 + "\n".join("// " + line for line in lines)
    (passage,) = of(text)
    assert (passage.first, passage.last) == (51, 73)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("Copyright (c) https://example.org/authors", ""),
        ("© The Foo Authors. Licensed under GPL", "licensed under gpl"),
        ("Copyright: (C) 2010-2012 Ann Other. GPLv2.", "gplv2."),
        ("The copyright holders license it", "the copyright holders license it"),
        ("(c) 2011 " + "and so on " * 30 + "license", None),
    ],
)
def test_copyright_statements_are_removed_from_lines(line, left):
    text = normalize([b"GPL", line.encode()]).decode()
    assert text == f"gpl {left}".strip() if left is not None else "and so on" in text


def test_a_cut_does_not_halve_a_letter():
    for shift in range(3):
        text = normalize([b"x" * shift + "license é€".encode() * 20_000])
        assert CUT - 3 <= len(text) <= CUT
        assert text.decode()


def test_letters_of_any_script_stay():
    text = "Нечто, the «Licence» Œuvre".encode() + b" \xff\xfe"
    assert normalize([text]) == "нечто, the licence œuvre".encode()
