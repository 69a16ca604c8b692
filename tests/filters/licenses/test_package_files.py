"""Statements of package files, and what a choice changes of a list of licenses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.licenses.package_files import stated_license, with_choices
from filters.licenses.policy import load_policy

DUAL = "BSD-3-Clause OR GPL-2.0-only"


@pytest.mark.parametrize(
    ("path", "text", "expression"),
    [
        ("package.json", '{"license": "(BSD-3-Clause OR GPL-2.0)"}', DUAL),
        ("a/package.json", '{"license": "MIT"}', "MIT"),
        ("package.json", '{"license": {"type": "ISC", "url": "x"}}', "ISC"),
        ("package.json", '{"licenses": [{"type": "BSD-3-Clause"}, {"type": "GPL-2.0"}]}', DUAL),
        ("composer.json", '{"license": ["BSD-3-Clause", "GPL-2.0-only"]}', DUAL),
        ("composer.json", '{"license": "MIT"}', "MIT"),
        ("Cargo.toml", '[package]\nlicense = "MIT/Apache-2.0"\n', "MIT OR Apache-2.0"),
        ("pyproject.toml", '[project]\nlicense = "MIT OR Apache-2.0"\n', "MIT OR Apache-2.0"),
        ("pyproject.toml", '[project.license]\ntext = "BSD-3-Clause"\n', "BSD-3-Clause"),
        ("pyproject.toml", '[tool.poetry]\nlicense = "MIT"\n', "MIT"),
        ("setup.cfg", "[metadata]\nlicense = MIT or Apache-2.0\n", "MIT OR Apache-2.0"),
        ("package.json", '{"license": "SEE LICENSE IN X"}', "LicenseRef-SEE-LICENSE-IN-X"),
        ("package.json", '{"license": "UNLICENSED"}', "LicenseRef-UNLICENSED"),
    ],
)
def test_a_package_file_states_a_license(path: str, text: str, expression: str) -> None:
    assert stated_license(path, text) == expression


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("package-lock.json", '{"license": "MIT"}'),
        ("package.json", "{}"),
        ("package.json", "[1]"),
        ("package.json", '{"license": 3, "licenses": [{}]}'),
        ("package.json", '{"license": ""}'),
        ("package.json", '{"license": '),
        ("package.json", "[" * 100_000),
        ("Cargo.toml", 'package = "x"\n'),
        ("Cargo.toml", "[package\n"),
        ("pyproject.toml", '[project.license]\nfile = "LICENSE"\n'),
        ("setup.cfg", "license = MIT\n"),
        ("setup.cfg", "[metadata]\n[metadata]\n"),
    ],
)
def test_other_files_and_files_without_a_license_state_none(path: str, text: str) -> None:
    assert stated_license(path, text) is None


@given(st.sampled_from(["package.json", "composer.json", "Cargo.toml", "setup.cfg"]), st.text())
def test_no_text_is_an_error(path: str, text: str) -> None:
    stated_license(path, text)


@pytest.mark.parametrize(
    ("licenses", "root", "below", "result"),
    [
        (["BSD-3-Clause", "GPL-2.0"], [DUAL], [], [DUAL]),
        (["GPL-2.0-or-later", "BSD-3-Clause"], [DUAL], [], [DUAL]),
        (["GPL-2.0-only", "GPL-2.0-or-later", "BSD-3-Clause"], [DUAL], [], [DUAL]),
        (["BSD-3-Clause", "GPL-2.0", "ISC"], [DUAL], [], ["ISC", DUAL]),
        # What other package files state holds, too.
        (["BSD-3-Clause", "GPL-2.0"], [DUAL], ["GPL-2.0-only"], [DUAL, "GPL-2.0-only"]),
        (["BSD-3-Clause", "GPL-2.0"], ["Zlib", DUAL], ["ISC"], ["Zlib", DUAL, "ISC"]),
        # The list does not have all licenses of the choice.
        (["GPL-2.0"], [DUAL], [], ["GPL-2.0"]),
        (["MIT", "GPL-2.0"], [DUAL], [], ["MIT", "GPL-2.0"]),
        (["MIT", "GPL-3.0"], [DUAL], [], ["MIT", "GPL-3.0"]),
        # Not a choice of the root, or no choice between single licenses.
        (["BSD-3-Clause", "GPL-2.0"], ["BSD-3-Clause"], [], ["BSD-3-Clause", "GPL-2.0"]),
        (["BSD-3-Clause", "GPL-2.0"], [], [DUAL], ["BSD-3-Clause", "GPL-2.0"]),
        (["MIT", "ISC"], ["MIT AND ISC"], [], ["MIT", "ISC"]),
        (["MIT", "ISC", "X11"], ["MIT OR (ISC AND X11)"], [], ["MIT", "ISC", "X11"]),
    ],
)
def test_a_choice_replaces_the_licenses_it_names(
    licenses: list[str], root: list[str], below: list[str], result: list[str]
) -> None:
    assert list(with_choices(licenses, root, below)) == result


LICENSES = st.sampled_from(["MIT", "ISC", "GPL-2.0-only", "GPL-3.0-or-later", "MPL-2.0"])
CHOICES = st.lists(LICENSES, min_size=1, max_size=3, unique=True).map(" OR ".join)


@given(st.lists(LICENSES, max_size=4), st.lists(CHOICES, max_size=2), st.lists(CHOICES, max_size=2))
def test_a_denied_license_outside_every_applied_choice_stays_denied(
    licenses: list[str], root: list[str], below: list[str]
) -> None:
    policy = load_policy("strict")
    choices = [set(text.split(" OR ")) for text in root if " OR " in text]
    applied = [names for names in choices if names <= set(licenses)]
    excused = set().union(*applied)
    denied = {name for name in licenses if policy.judge([name]).judgment == "deny"}
    expected = bool(denied - excused) or any(
        policy.judge([text]).judgment == "deny" for text in (*root, *below) if applied
    )
    result = policy.judge(list(with_choices(licenses, root, below))).judgment
    assert (result == "deny") == expected
