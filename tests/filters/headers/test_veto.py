import pyarrow as pa
import pytest

from filters.headers import veto
from filters.headers.detector import Match, detect
from filters.headers.veto import denials, distinct_texts, statements
from filters.license_policy import load_policy

STRICT = load_policy("strict")


def arrow(*texts):
    return pa.array(texts, pa.large_string())


def denied(text, *matches, policy=STRICT):
    """The denial of a text in which ScanCode found `matches`."""
    found = tuple(Match(*match) for match in matches)
    return denials(statements(arrow(text)), lambda _: found, policy).get(0)


NOTICE = "// some license or other\n"


@pytest.mark.parametrize(
    ("match", "expression"),
    [
        (("gpl-2.0", "r", 100.0, False), "GPL-2.0-only"),
        (("mit AND gpl-2.0", "r", 100.0, False), "MIT AND GPL-2.0-only"),
        (("mit OR gpl-2.0", "r", 100.0, False), None),
        (("mit", "r", 100.0, False), None),
        (("proprietary-license", "r", 100.0, False), "LicenseRef-scancode-proprietary-license"),
        # A policy cannot name what only ScanCode does.
        (("public-domain", "r", 100.0, False), None),
        (("other-permissive", "r", 100.0, False), None),
        (("unknown-license-reference", "r", 100.0, False), None),
        (("llvm-exception", "r", 100.0, False), None),
        (
            ("gpl-2.0 WITH classpath-exception-2.0", "r", 99.0, False),
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        # Fragments and mere hints.
        (("gpl-2.0", "r", 40.0, False), None),
        (("gpl-2.0", "r", 100.0, True), None),
        (("no such key", "r", 100.0, False), None),
    ],
)
def test_what_a_match_denies(match, expression):
    denial = denied(NOTICE, match)
    assert (denial and denial.finding.expression) == expression


def test_a_denial_names_rule_and_lines():
    denial = denied("x = f(1);\n" * 20 + NOTICE, ("gpl-2.0", "gpl-2.0_7.RULE", 100.0, False))
    assert denial.detail == "gpl-2.0_7.RULE, lines 21-21"
    assert denial.finding.layer == "header"


@pytest.mark.parametrize(
    "line",
    [
        "// SPDX-License-Identifier: GPL-2.0-only",
        "/* SPDX-License-Identifier: GPL-2.0-only */",
        "# SPDX-License-Identifier: gpl-2.0",
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        ".. SPDX-License-Identifier: GPL-2.0",
        "'SPDX-License-Identifier: GPL-2.0'",
    ],
)
def test_spdx_lines_are_read_directly(line):
    stated = statements(arrow("#!/bin/sh\n" + line + "\nint x = f(y);\n"))
    assert distinct_texts(stated) == []
    denial = denials(stated, lambda text: None, STRICT)[0]
    assert denial.finding.expression == "GPL-2.0-only"
    assert denial.detail == "SPDX-License-Identifier, lines 2-2"


@pytest.mark.parametrize(
    "said", ["MIT", "(MIT OR GPL-2.0)", "Apache-2.0 WITH LLVM-exception", "0BSD"]
)
def test_spdx_lines_that_allow(said):
    assert denied(f"# SPDX-License-Identifier: {said}\n") is None


def test_an_spdx_line_that_is_none_goes_to_scancode():
    stated = statements(arrow("# SPDX-License-Identifier: LGPL-2.1+ https://example.org/x\n"))
    assert distinct_texts(stated) == [b"spdx-license-identifier: lgpl-2.1+ https://example.org/x"]


def test_equal_texts_are_asked_once():
    notice = "// Licensed under the {} license, version 2.0.\n// Copyright (c) {} Foo\n"
    texts = [notice.format("Apache", year) for year in range(2000, 2020)]
    assert distinct_texts(statements(arrow(*texts, None, "no words", ""))) == [
        b"licensed under the apache license, version 2.0."
    ]


def test_a_file_that_is_an_address_is_asked_about():
    address = "\n https://example.org/Terms-2016/\n"
    stated = statements(arrow(address, "x = 1", address + "x = 1", "http", NOTICE))
    assert sorted(stated) == [0, 4]
    assert stated[0] == [veto.Statement(1, 3, b"https://example.org/terms-2016/")]


def test_a_text_that_was_given_up_denies_nothing():
    stated = statements(arrow(NOTICE))
    assert denials(stated, lambda text: None, STRICT) == {}
    assert veto.timed_out(stated[0], lambda text: None)
    assert not veto.timed_out(stated[0], lambda text: ())


def test_another_policy_denies_other_headers(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "m"\nversion = 1\norigin = "me"\nrequire = "all"\nlicenses = ["GPL-2.0-only"]'
    )
    mine = load_policy(str(path))
    assert denied(NOTICE, ("gpl-2.0", "r", 100.0, False), policy=mine) is None
    assert denied(NOTICE, ("mit", "r", 100.0, False), policy=mine) is not None


def test_scancode_itself():
    """The one test that loads the index, about 6 s."""
    (text,) = distinct_texts(
        statements(
            arrow(
                "/*\n * Copyright 2001 Foo\n *\n * This program is free software; you can\n"
                " * redistribute it and/or modify it under the terms of the GNU General Public\n"
                " * License as published by the Free Software Foundation; either version 2 of\n"
                " * the License, or (at your option) any later version.\n */\nint x = f(y);\n"
            )
        )
    )
    (match,) = detect(text.decode())
    assert match.expression == "gpl-2.0-plus"
    assert match.score == 100.0
