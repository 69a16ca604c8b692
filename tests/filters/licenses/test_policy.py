from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.licenses import list_versions
from filters.licenses.policy import (
    POLICIES,
    Finding,
    Verdict,
    judge_licenses,
    license_strings,
    load_policy,
    verdict,
)
from manifests.errors import UsageError

STRICT = load_policy("strict")
STACK = load_policy("stack-v1.1")

# Findings of header, repository and source; the missing rule; kept, rule, deciding layer.
TRUTH = [
    ("allow unknown unknown", "accept", True, None, "source"),
    ("allow unknown unknown", "reject", False, "license_unknown", "source"),
    ("allow allow unknown", "reject", True, None, "repository"),
    ("allow allow deny", "accept", False, "license_denied", "source"),
    ("allow deny allow", "accept", False, "license_denied", "repository"),
    ("allow unknown allow", "reject", True, None, "source"),
    ("deny allow allow", "accept", False, "license_denied", "header"),
    ("deny unknown unknown", "accept", False, "license_denied", "header"),
    ("deny unknown unknown", "reject", False, "license_denied", "header"),
    ("unknown allow unknown", "reject", True, None, "repository"),
    ("unknown allow unknown", "accept", True, None, "repository"),
    ("unknown allow deny", "accept", False, "license_denied", "source"),
    ("unknown deny unknown", "accept", False, "license_denied", "repository"),
    ("unknown deny allow", "reject", False, "license_denied", "repository"),
    ("unknown unknown allow", "reject", True, None, "source"),
    ("unknown unknown deny", "accept", False, "license_denied", "source"),
    ("unknown unknown unknown", "accept", True, None, "source"),
    ("unknown unknown unknown", "reject", False, "license_unknown", "source"),
]


def findings(judgments):
    header, repository, source = judgments.split()
    return [Finding("header", header), Finding("repository", repository), Finding("source", source)]


@pytest.mark.parametrize(("judgments", "missing", "kept", "rule", "layer"), TRUTH)
def test_verdicts_follow_the_truth_table(judgments, missing, kept, rule, layer):
    result = verdict(findings(judgments), missing)
    assert result == Verdict(kept, rule, layer, None)


@pytest.mark.parametrize(("judgments", "missing", "kept", "rule", "layer"), TRUTH)
def test_the_order_of_layers_does_not_decide(judgments, missing, kept, rule, layer):
    for order in permutations(findings(judgments)):
        result = verdict(order, missing)
        assert (result.kept, result.rule) == (kept, rule)


def test_a_verdict_names_the_expression_that_was_found():
    said = Finding("repository", "unknown", "NOASSERTION")
    assert verdict([said], "reject").expression == "NOASSERTION"
    assert verdict([], "accept") == Verdict(True, None, "source", None)


# Licenses; what `strict` and `stack-v1.1` say; the expression under `strict`.
JUDGED = [
    (["MIT"], "allow", "allow", "MIT"),
    (["mit"], "allow", "allow", "MIT"),
    (["MIT", "GPL-3.0"], "deny", "allow", "MIT AND GPL-3.0-only"),
    (["GPL-3.0"], "deny", "deny", "GPL-3.0-only"),
    (["MIT", "MIT", "ISC"], "allow", "allow", "MIT AND ISC"),
    (["MIT", "Foo"], "unknown", "allow", "MIT AND LicenseRef-Foo"),
    (["GPL-3.0", "Foo"], "deny", "unknown", "GPL-3.0-only AND LicenseRef-Foo"),
    (["Artistic-2.0"], "deny", "allow", "Artistic-2.0"),
    ("MIT OR GPL-2.0", "allow", "allow", "MIT OR GPL-2.0-only"),
    ("MIT AND GPL-2.0", "deny", "deny", "MIT AND GPL-2.0-only"),
    ("(MIT OR GPL-2.0) AND ISC", "allow", "allow", "(MIT OR GPL-2.0-only) AND ISC"),
    (["MIT OR GPL-2.0", "ISC"], "allow", "allow", "(MIT OR GPL-2.0-only) AND ISC"),
    ("MIT AND Foo", "unknown", "unknown", "MIT AND LicenseRef-Foo"),
    ("GPL-2.0 AND Foo", "deny", "deny", "GPL-2.0-only AND LicenseRef-Foo"),
    ("GPL-2.0 OR Foo", "unknown", "unknown", "GPL-2.0-only OR LicenseRef-Foo"),
    (
        "GPL-2.0 WITH Classpath-exception-2.0",
        "deny",
        "deny",
        "GPL-2.0-only WITH Classpath-exception-2.0",
    ),
    ("Apache-2.0 WITH LLVM-exception", "allow", "allow", "Apache-2.0 WITH LLVM-exception"),
    (
        "Apache-2.0 WITH LicenseRef-scancode-commons-clause",
        "deny",
        "deny",
        "Apache-2.0 WITH LicenseRef-scancode-commons-clause",
    ),
    ("MIT WITH Foo", "unknown", "unknown", "MIT WITH LicenseRef-Foo"),
    ("MIT WITH ISC", "unknown", "unknown", "MIT WITH ISC"),
    # Deprecated ids, go-license-detector's spelling, ScanCode's own keys.
    (["BSD-2-Clause-FreeBSD"], "allow", "allow", "BSD-2-Clause-Views"),
    (["bzip2-1.0.5"], "allow", "allow", "bzip2-1.0.6"),
    (["deprecated_LGPL-3.0+"], "deny", "deny", "LGPL-3.0-or-later"),
    (["Apache-2.0+"], "allow", "allow", "Apache-2.0"),
    (["bsd-new"], "allow", "allow", "BSD-3-Clause"),
    # Nothing is known.
    (None, "unknown", "unknown", None),
    ([], "unknown", "unknown", None),
    ("", "unknown", "unknown", None),
    ([None, " "], "unknown", "unknown", None),
    (7, "unknown", "unknown", None),
    ([1, 2], "unknown", "unknown", None),
    (["NOASSERTION"], "unknown", "unknown", "NOASSERTION"),
    (["NONE"], "unknown", "unknown", "NONE"),
    (["unknown"], "unknown", "unknown", "LicenseRef-unknown"),
    (
        ["LicenseRef-scancode-unknown-license-reference"],
        "unknown",
        "unknown",
        "LicenseRef-scancode-unknown-license-reference",
    ),
    # Forms and faults.
    ([None, "MIT"], "allow", "allow", "MIT"),
    ({"list": [{"item": "MIT"}, {"item": None}]}, "allow", "allow", "MIT"),
    ({"list": [{"element": "MIT"}]}, "allow", "allow", "MIT"),
    ({"list": None}, "unknown", "unknown", None),
    (("MIT",), "allow", "allow", "MIT"),
    (np.array(["MIT"], object), "allow", "allow", "MIT"),
    (["MIT\n"], "allow", "allow", "MIT"),
    (["MIT\nevil"], "unknown", "unknown", "LicenseRef-MIT-evil"),
    (["MIT AND"], "unknown", "unknown", "LicenseRef-MIT-AND"),
    (["()"], "unknown", "unknown", "LicenseRef-unreadable"),
    (["( OR NOTOR 0"], "unknown", "unknown", "LicenseRef-OR-NOTOR-0"),
    (["x" * 5000], "unknown", "unknown", "LicenseRef-" + "x" * 64),
]


@pytest.mark.parametrize(("licenses", "strict", "stack", "expression"), JUDGED)
def test_policies_judge_licenses(licenses, strict, stack, expression):
    assert STRICT.judge(licenses) == (strict, expression)
    assert STACK.judge(licenses).judgment == stack


def test_deeply_nested_and_very_long_expressions_are_judged():
    nested = "MIT"
    while len(nested) < 980:
        nested = f"(ISC OR (MIT AND {nested}))"
    assert STRICT.judge(nested).judgment == "allow"
    many = [f"Made-up-{i}" for i in range(10_000)]
    assert STRICT.judge([*many, "GPL-2.0"]).judgment == "deny"
    assert STACK.judge([*many, "MIT"]).judgment == "allow"


pieces = st.sampled_from(
    ["MIT", "GPL-2.0", "AND", "OR", "WITH", "(", ")", "+", "Foo", "Classpath-exception-2.0", "é"]
)


@given(st.lists(pieces, max_size=9).map(" ".join) | st.text(max_size=30))
def test_any_text_has_a_judgment(text):
    assert STRICT.judge([text]).judgment in ("allow", "deny", "unknown")


ids = st.lists(st.sampled_from(["MIT", "ISC", "GPL-2.0", "Foo", "NOASSERTION"]), max_size=4)


@given(ids)
def test_the_order_of_licenses_does_not_decide(licenses):
    judgments = {STRICT.judge(list(order)).judgment for order in permutations(licenses)}
    assert len(judgments) == 1


def test_documents_are_judged_from_lists_and_arrow_arrays():
    rows = [["MIT"], ["GPL-2.0"], None, [None], ["NOASSERTION"]]
    for column in (rows, pa.array(rows)):
        result = judge_licenses(STRICT, column, "reject")
        assert result.kept.tolist() == [True, False, False, False, False]
        assert list(result.rule) == [None, "license_denied", *["license_unknown"] * 3]
        assert list(result.expression) == ["MIT", "GPL-2.0-only", None, None, "NOASSERTION"]
        assert list(result.layer) == ["repository"] * 2 + ["source"] * 3
    accepted = judge_licenses(STRICT, rows, "accept")
    assert accepted.kept.tolist() == [True, False, True, True, True]
    assert list(accepted.rule) == [None, "license_denied", None, None, None]


def test_no_documents_have_no_verdicts():
    assert len(judge_licenses(STRICT, [], "accept").rule) == 0


def test_nested_lists_of_licenses_are_flattened():
    assert license_strings([["MIT"], None, ["ISC"]]) == ("MIT", "ISC")


def test_policies_hold_the_published_numbers_of_licenses():
    counts = {}
    for name in ("stack-v1.1", "strict", "blue-oak-bronze"):
        text = (POLICIES / f"{name}.toml").read_text()
        counts[name] = text.count('    "')
        assert load_policy(name).name == name
    assert counts == {"stack-v1.1": 193, "strict": 154, "blue-oak-bronze": 152}
    assert (STRICT.require, STACK.require) == ("all", "any")
    assert STRICT.allowed < STACK.allowed
    assert "GPL-3.0-only" not in STACK.allowed


def write(path, **changes):
    table = {"name": "mine", "version": 1, "origin": "me", "require": "all", "licenses": ["MIT"]}
    lines = [f"{key} = {value!r}" for key, value in {**table, **changes}.items()]
    path.write_text("\n".join(lines))
    return str(path)


def test_a_policy_of_a_user_has_a_digest_of_its_licenses(tmp_path):
    exception = "GPL-2.0-only WITH Classpath-exception-2.0"
    policy = load_policy(write(tmp_path / "mine.toml", licenses=["MIT", exception]))
    assert policy.judge("GPL-2.0 WITH Classpath-exception-2.0").judgment == "allow"
    assert policy.judge("GPL-2.0").judgment == "deny"
    same = load_policy(write(tmp_path / "same.toml", licenses=[exception, "mit"], origin="you"))
    assert same.digest == policy.digest
    other = load_policy(write(tmp_path / "other.toml", licenses=["MIT"]))
    assert other.digest != policy.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"licenses": ["MIT", "Foo", "MIT OR ISC"]}, "'Foo', 'MIT OR ISC'"),
        ({"licenses": []}, "licenses"),
        ({"require": "some"}, "require"),
        ({"requires": "any"}, "did you mean 'require'"),
        (
            {"spdx_list_version": "4.99"},
            r"^\S+bad\.toml: spdx_list_version: there is no SPDX list version '4\.99'; "
            r"known are 1\.16, 1\.17, .*, 3\.28$",
        ),
    ],
)
def test_a_fault_of_a_policy_file_is_one_clear_error(tmp_path, changes, said):
    with pytest.raises(UsageError, match=said):
        load_policy(write(tmp_path / "bad.toml", **changes))


def test_an_unknown_policy_is_an_error_with_the_known_names():
    with pytest.raises(UsageError, match=r"'strct'.*stack-v1\.1, strict"):
        load_policy("strct")


@pytest.mark.parametrize(
    ("expression", "judgment"),
    [
        # SPDX named these after version 3.12, and ScanCode calls them permissive.
        ("SunPro", "unknown"),
        ("sunpro", "unknown"),
        ("dtoa", "unknown"),
        ("libpng-1.6.35", "unknown"),
        ("MIT AND SunPro", "unknown"),
        ("MIT OR SunPro", "allow"),
        ("GPL-2.0-only AND SunPro", "deny"),
        # SPDX named it after version 3.12, and ScanCode does not call it permissive.
        ("BUSL-1.1", "deny"),
        ("Elastic-2.0", "deny"),
        # SPDX had these, and the policy leaves them out ("for Good, not Evil").
        ("JSON", "deny"),
        ("Artistic-2.0", "deny"),
    ],
)
def test_a_header_with_a_license_newer_than_the_policy_is_undecided_if_permissive(
    expression, judgment
):
    assert STRICT.spdx_list_version == "3.12"
    assert STRICT.judge_header(expression).judgment == judgment


def test_a_repository_with_a_license_newer_than_the_policy_is_denied():
    assert STRICT.judge(["SunPro"]).judgment == "deny"


def test_a_policy_without_a_list_version_knows_every_license(tmp_path):
    policy = load_policy(write(tmp_path / "mine.toml", licenses=["MIT"]))
    assert policy.spdx_list_version == list_versions.newest()
    for expression in ("SunPro", "dtoa", "JSON", "Apache-2.0"):
        assert policy.judge_header(expression).judgment == "deny"
    assert policy.judge_header("LicenseRef-scancode-public-domain").judgment == "unknown"


def test_a_license_with_an_older_alias_is_not_newer_than_the_policy(tmp_path):
    policy = load_policy(write(tmp_path / "mine.toml", spdx_list_version="3.9"))
    assert policy.judge_header("BSD-2-Clause-Views").judgment == "deny"


def test_the_list_version_is_part_of_a_policys_digest(tmp_path):
    old = load_policy(write(tmp_path / "old.toml", spdx_list_version="3.19"))
    new = load_policy(write(tmp_path / "new.toml", spdx_list_version="3.20"))
    assert old.digest != new.digest
    assert old.judge_header("SunPro").judgment == "unknown"
    assert new.judge_header("SunPro").judgment == "deny"
