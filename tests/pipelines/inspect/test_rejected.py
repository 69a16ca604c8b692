import json

import pytest

from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from manifests.schemas import DUPLICATES
from pipelines.inspect.rejected import WIDTH, examples, excerpt, render
from tests.outputs import printed, write_table


def test_each_rule_has_its_examples_and_their_evidence(output):
    told = json.loads(json.dumps(examples(load_chain(str(output)), most=3)))
    assert set(told) == {"license_not_allowed", "long_lines", "exact", "minhash"}
    denied = told["license_not_allowed"]
    assert denied["step"] == "license_filter" and denied["documents"] > 3
    assert len(denied["examples"]) == 3
    for example in denied["examples"]:
        assert example["evidence"]["license"] == "GPL-3.0-only"
        assert example["scores"] == {"mean_line_length": 31.5}
        assert example["input"] == f"{example['source']}.parquet"
    assert all(example["kept_id"] for example in told["exact"]["examples"])


def test_the_sample_is_that_of_the_smallest_ids(output):
    chain = load_chain(str(output))
    whole = [
        example["id"] for example in examples(chain, "long_lines", 1000)["long_lines"]["examples"]
    ]
    few = [example["id"] for example in examples(chain, "long_lines", 2)["long_lines"]["examples"]]
    assert few == sorted(whole)[:2]
    assert len(whole) == examples(chain)["long_lines"]["documents"]


def test_people_read_ids_places_and_reasons(output):
    shown = printed(render(examples(load_chain(str(output)), most=1)), 200)
    assert "license_not_allowed (license_filter): " in shown
    assert "license GPL-3.0-only, layer repository, policy strict@0123456789ab" in shown
    assert "copy of" in shown and "row " in shown
    assert printed(render({})).strip() == "nothing was rejected"


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
def test_the_lines_that_matched_are_shown_and_those_around_them(detail, first, last):
    found = excerpt(TEXT, {"detail": detail})
    assert found == (first, [f"line {number}" for number in range(first, last + 1)])
    assert excerpt(TEXT, None)[0] == 1


def test_long_lines_are_cut_and_no_terminal_obeys_them():
    _, lines = excerpt("\x1b[31mred\t" + "x" * 999, None)
    assert lines[0].startswith("\ufffd[31mred\tx") and len(lines[0]) == WIDTH


def test_tables_without_rows_are_passed_over(output):
    for path in (output / "dedup/duplicates").iterdir():
        write_table(str(path), [], DUPLICATES)
    told = examples(load_chain(str(output)), most=2)
    assert told["exact"]["examples"] == [] and len(told["long_lines"]["examples"]) == 2


def test_a_rule_that_took_nothing_is_named_beside_those_that_did(output):
    with pytest.raises(UsageError, match=r"by 'licence'; rules that took some: .*long_lines"):
        examples(load_chain(str(output)), "licence")
