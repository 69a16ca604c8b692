import json

import pytest

from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from manifests.schemas import DUPLICATES
from pipelines.inspect.rejected import MAX_WIDTH, excerpt, render_rejections, sample_rejections
from tests.outputs import printed, write_table


def test_each_rule_has_examples_with_evidence(output):
    rules = json.loads(json.dumps(sample_rejections(load_chain(str(output)), most=3)))
    assert set(rules) == {"license_not_allowed", "long_lines", "exact", "minhash"}
    denied = rules["license_not_allowed"]
    assert denied["step"] == "license_filter" and denied["documents"] > 3
    assert len(denied["examples"]) == 3
    for example in denied["examples"]:
        assert example["evidence"]["license"] == "GPL-3.0-only"
        assert example["scores"] == {"mean_line_length": 31.5, "max_control_share": 0}
        assert example["input"] == f"{example['source']}.parquet"
    assert all(example["kept_id"] for example in rules["exact"]["examples"])


def test_the_sample_has_the_smallest_ids(output):
    chain = load_chain(str(output))
    whole = [
        example["id"]
        for example in sample_rejections(chain, "long_lines", 1000)["long_lines"]["examples"]
    ]
    few = [
        example["id"]
        for example in sample_rejections(chain, "long_lines", 2)["long_lines"]["examples"]
    ]
    assert few == sorted(whole)[:2]
    assert len(whole) == sample_rejections(chain)["long_lines"]["documents"]


def test_the_printed_examples_have_ids_inputs_and_reasons(output):
    shown = printed(render_rejections(sample_rejections(load_chain(str(output)), most=1)), 200)
    assert "license_not_allowed (license_filter): " in shown
    assert "license GPL-3.0-only, layer repository, policy strict@0123456789ab" in shown
    assert "copy of" in shown and "row " in shown
    assert printed(render_rejections({})).strip() == "nothing was rejected"


TEXT = "\n".join(f"line {number}" for number in range(1, 41))


@pytest.mark.parametrize(
    ("detail", "first", "last"),
    [
        (None, 1, 8),
        ("gpl-2.0_7.RULE, lines 1-1", 1, 3),
        ("gpl-2.0_7.RULE, lines 10-12", 8, 14),
        ("gpl-2.0_7.RULE, lines 10-30", 8, 15),
        ("SPDX-License-Identifier, lines 40-40; HumanEval 3, prompt: x", 38, 40),
        ("gpl-2.0_7.RULE, lines 90-91", 88, 87),
    ],
)
def test_an_excerpt_has_the_lines_that_matched_and_their_context(detail, first, last):
    result = excerpt(TEXT, {"detail": detail})
    assert result == (first, [f"line {number}" for number in range(first, last + 1)])
    assert excerpt(TEXT, None)[0] == 1


def test_an_excerpt_cuts_long_lines_and_escapes_control_characters():
    _, lines = excerpt("\x1b[31mred\t" + "x" * 999, None)
    assert lines[0].startswith("\ufffd[31mred\tx") and len(lines[0]) == MAX_WIDTH


def test_tables_without_rows_give_no_examples(output):
    for path in (output / "dedup/duplicates").iterdir():
        write_table(str(path), [], DUPLICATES)
    rules = sample_rejections(load_chain(str(output)), most=2)
    assert rules["exact"]["examples"] == [] and len(rules["long_lines"]["examples"]) == 2


def test_an_unknown_rule_is_an_error_that_lists_the_known_ones(output):
    with pytest.raises(UsageError, match=r"by 'licence'; rules that rejected some: .*long_lines"):
        sample_rejections(load_chain(str(output)), "licence")
