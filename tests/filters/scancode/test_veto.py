import hashlib
from typing import Any

import pyarrow as pa
import pytest

from filters.licenses.policy import load_policy
from filters.scancode import veto
from filters.scancode.detector import Match, detect
from filters.scancode.veto import denials, distinct_texts, statements
from filters.scancode.words import NAMES, WORDS
from manifests.io.digest import canonical_json

STRICT = load_policy("strict")


def arrow(*texts):
    return pa.array(texts, pa.large_string())


def denied(text, *matches, policy=STRICT):
    """The denial of a text in which ScanCode found `matches`."""
    result = tuple(Match(*match) for match in matches)
    return denials(statements(arrow(text)), lambda _: result, policy).get(0)


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
def test_a_match_denies_by_license_score_and_clue(match, expression):
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
def test_spdx_lines_with_allowed_licenses_deny_nothing(said):
    assert denied(f"# SPDX-License-Identifier: {said}\n") is None


def test_an_unknown_spdx_line_goes_to_scancode():
    stated = statements(arrow("# SPDX-License-Identifier: LGPL-2.1+ https://example.org/x\n"))
    assert distinct_texts(stated) == [b"spdx-license-identifier: lgpl-2.1+ https://example.org/x"]


def test_equal_texts_are_sent_once():
    notice = "// Licensed under the {} license, version 2.0.\n// Copyright (c) {} Foo\n"
    texts = [notice.format("Apache", year) for year in range(2000, 2020)]
    assert distinct_texts(statements(arrow(*texts, None, "no words", ""))) == [
        b"licensed under the apache license, version 2.0."
    ]


def test_a_file_that_is_only_an_address_is_a_statement():
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
    selected = load_policy(str(path))
    assert denied(NOTICE, ("gpl-2.0", "r", 100.0, False), policy=selected) is None
    assert denied(NOTICE, ("mit", "r", 100.0, False), policy=selected) is not None


def test_scancode_matches_a_normalized_notice():
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


MIT_NOTICE = """Permission is hereby granted, free of charge, to any person obtaining a copy
of this software, to deal in the software without restriction.

THE SOFTWARE IS PROVIDED BY FOO "AS IS", WITHOUT WARRANTY OF ANY KIND. IN NO EVENT SHALL FOO
BE LIABLE FOR ANY CLAIM."""

CORPUS = [
    # Comments of several languages, with an author, a year and a box around them.
    *(
        f"{mark} Copyright (c) 20{n:02} Foo <foo@example.org>\n{mark} Licensed: GPL, v{n}\nx\n"
        for n, mark in enumerate(("//", "#", "--", ";;", "%", "..", "dnl", "REM", "C", "'"))
    ),
    "/***********\n * GNU GPL *\n ***********/\nint main() { return 0; }\n",
    "".join(f" * {line}\n" for line in MIT_NOTICE.splitlines()) + "int x = f(y);\n" * 30,
    MIT_NOTICE,
    *(MIT_NOTICE + "\n\n" + "and so on\n" * lines for lines in range(5, 150, 5)),
    *(MIT_NOTICE + "\n\n" + "x = f(y);\n" * lines for lines in range(4)),
    # A whole license, as long as one may be, and longer.
    *(MIT_NOTICE * times for times in range(200, 400, 10)),
    *("// the license " + "word " * words + "\n" for words in (300, 500, 19_000, 21_000)),
    *("// " + " word" * words + " and the license\n" for words in (100, 200, 300)),
    *("// and so on\n" * lines + "// the license\n" for lines in (30, 38, 39, 40, 41, 50)),
    *("// the license " + "[]" * marks + "\n" for marks in range(3)),
    *(f"the license{letters * 'a'};\nand so on\n" for letters in range(8, 20)),
    *("https://example.org/" + letters * "a" for letters in range(150, 210, 5)),
    # Far from each other, near each other, in code, in a list.
    *(
        "# a license\n" + "#\n" * apart + "# the same license\nx = f(1);\n"
        for apart in range(6, 17)
    ),
    *("f('license');\n" + "g(x);\n" * apart + "f('gpl');\n" for apart in range(5, 11)),
    "    f(x, 'license');\n" * 100,
    "".join(f"f('license {n}');\n" + "g(x);\n" * 9 for n in range(420)),
    # Tags and addresses.
    "# SPDX-License-Identifier: MIT OR GPL-2.0-only\n# and more of a license\n",
    "// SPDX-License-Identifier: no such thing\n",
    "https://example.org/licenses/foo\n",
    "x" * 5000 + " public domain " + "y" * 5000,
    "\u00a9 2001 Foo. \u041b\u0438\u0446\u0435\u043d\u0437\u0438\u044f Foo License\u2122\n",
    # Every word that opens a passage, in a line of its own.
    *(f"// about {word} here\n" for word in sorted((*WORDS, *NAMES))),
    "x = 1\n",
]

PINNED = (3, "0b6822fc909a52f731fab565f26dda4ae92beabc9a8df5ef954952e2b98b62c2")
"""`veto.RULES`, and the digest of what it makes of the texts above."""


def test_a_change_of_the_rules_has_another_version() -> None:
    asked: list[list[Any]] = [
        [number, *map(list, said)] for number, said in statements(arrow(*CORPUS)).items()
    ]
    texts = [[*item[:2], item[2].decode(), item[3]] for said in asked for item in said[1:]]
    rows = [[said[0], len(said)] for said in asked]
    scores = [score for score in range(101) if denied(NOTICE, ("gpl-2.0", "r", score, False))]
    result = hashlib.sha256(canonical_json([rows, texts, scores])).hexdigest()
    assert (veto.RULES, result) == PINNED, (
        "the veto's rules make something else of the same texts: raise veto.RULES, so that parts "
        f"which were decided by the old ones are decided again, and pin {(veto.RULES, result)}"
    )
