"""Statements of package manifests and of debian/copyright."""

import json
import re
from pathlib import Path

import pytest

from filters.licenses.policy import load_policy
from filters.licenses.spdx import parse, written
from filters.licenses.upstream import spdx_form, stated_licenses


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("MIT / Apache-2.0", "MIT OR Apache-2.0"),
        ("BSD-3-Clause or GPL-2.0", "BSD-3-Clause OR GPL-2.0-only"),
        ("GPL-2+ or Artistic", "GPL-2.0-or-later OR Artistic-1.0"),
        ("GPL-2+ or Artistic-2.0, and Expat", "(GPL-2.0-or-later OR Artistic-2.0) AND MIT"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("LGPL-3+", "LGPL-3.0-or-later"),
        ("Apache-2", "Apache-2.0"),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"),
    ],
)
def test_a_statement_is_read_as_an_expression(text: str, expression: str) -> None:
    assert written(parse(text)) == expression


@pytest.mark.parametrize("text", ["https://opensource.org/licenses/MIT", "MIT", "see LICENSE", ""])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert spdx_form(text) == text


def test_npms_list_of_objects_is_a_choice_and_a_list_of_strings_is_not() -> None:
    policy = load_policy("strict")
    objects = [{"type": "BSD-3-Clause", "url": "x"}, {"type": "GPL-2.0", "url": "y"}]
    assert stated_licenses(objects) == "BSD-3-Clause OR GPL-2.0"
    assert policy.judge([stated_licenses(objects)]).judgment == "allow"
    assert policy.judge(["BSD-3-Clause", "GPL-2.0"]).judgment == "deny"
    assert stated_licenses({"type": "MIT"}) == "MIT"
    unchanged: tuple[object, ...] = (["MIT", "GPL-2.0"], [], None, "MIT", [{"type": 3}], [{}])
    assert tuple(map(stated_licenses, unchanged)) == unchanged


def test_the_page_about_licenses_states_what_is_read() -> None:
    page = Path(__file__).parents[3] / "docs/licenses.md"
    rows = re.findall(r"^\| `(.+)` \(.+\) \| `(.+)` \|$", page.read_text(), re.MULTILINE)
    assert len(rows) == 4
    for form, expression in rows:
        value = stated_licenses(json.loads(form)) if form.startswith("[") else form
        assert written(parse(value)) == expression
