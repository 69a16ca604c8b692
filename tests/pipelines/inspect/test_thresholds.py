"""A comparison of thresholds equals a run of the job with the other thresholds."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from filters.quality import registry
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from pipelines.inspect.thresholds import (
    changed_filters,
    compare_thresholds,
    render_thresholds,
    rules_at,
)
from pipelines.license_filter.job import run
from pipelines.preparation import load_preparation
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack
from tests.outputs import printed

CORPUS = """
[[source]]
name = "stack"
kind = "the-stack"
files = "stack/*/*.parquet"
license = { header = "off" }
[opt_out]
files = ["opt-outs.txt"]
[decontaminate]
files = ["HumanEval.jsonl"]
[tokenize]
tokenizer = { train = 700 }
[filters]
FILTERS
"""
SOLUTION = "    for word in sorted(x):\n        return word\n"
TASK = {
    "task_id": "7",
    "prompt": 'def f(x):\n    """ Say it. """\n',
    "canonical_solution": SOLUTION,
}
OTHERS = ("max_line_length=50", "min_alphanumerics=false", "min_alphanumeric_share=0.5")


def decided(path: Path, filters: str, out: str) -> Path:
    """Run the job over rows that filters, licenses, an opt-out and a benchmark take."""
    long = "x = '" + "ab" * 40 + "'\n"
    rows = [
        stack_row(code(1), ["MIT"]),
        stack_row(code(2) + long, ["MIT"], repository="gone/away"),
        stack_row(code(3) + long, ["GPL-3.0-only"]),
        stack_row(code(4) + long, ["MIT"]),
        stack_row("x=1", ["MIT"]),
        stack_row(code(5) + SOLUTION, ["MIT"]),
        stack_row(code(6) + long + SOLUTION, ["MIT"]),
        stack_row(SOLUTION + "-+*/" * 20, ["MIT"]),
        stack_row(None, ["MIT"]),
    ]
    write_stack(path / "stack/python/a.parquet", rows)
    (path / "opt-outs.txt").write_text("gone\n")
    (path / "HumanEval.jsonl").write_text(json.dumps(TASK))
    (path / "CORPUS.toml").write_text(CORPUS.replace("FILTERS", filters))
    one = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(path / "CORPUS.toml"), str(path / out), one)
    run(preparation)
    return Path(preparation.output)


def rules(output: Path) -> list[str | None]:
    (table,) = (output / "license_filter/decisions").iterdir()
    result: list[str | None] = pq.read_table(table)["rule"].to_pylist()
    return result


def test_the_rules_equal_those_of_a_run_with_the_other_thresholds(tmp_path: Path) -> None:
    before = decided(tmp_path, "", "before")
    after = decided(tmp_path, "\n".join(change.replace("=", " = ") for change in OTHERS), "after")
    (path,) = (before / "license_filter/decisions").iterdir()
    rows = pq.read_table(path)
    assert rules_at(registry.settings(None), rows) == rules(before)
    assert rules_at(registry.settings(changed_filters(None, OTHERS)), rows) == rules(after)
    assert {
        "opted_out",
        "license_denied",
        "max_line_length",
        "benchmark",
        "null_text",
        None,
    } <= set(rules(after))
    comparison = compare_thresholds(load_chain(str(before)), OTHERS)
    funnel = {name: counts["then"]["documents"] for name, counts in comparison["rules"].items()}
    expected = [rule or "kept" for rule in rules(after)]
    assert {name: n for name, n in funnel.items() if n} == {
        name: expected.count(name) for name in expected
    }
    kept = comparison["components"]["stack/python"]
    assert kept["then"]["documents"] == rules(after).count(None)
    assert kept["now"]["documents"] == rules(before).count(None)
    assert comparison["thresholds"]["max_line_length"] == [1000, 50]
    shown = printed(render_thresholds(comparison))
    assert "max_line_length 1000 -> 50" in shown and "min_alphanumerics 5 -> off" in shown
    assert "kept" in shown


def test_the_counts_of_now_equal_the_funnel(tmp_path: Path) -> None:
    chain = load_chain(str(decided(tmp_path, "", "out")))
    now = {name: counts["now"] for name, counts in compare_thresholds(chain, [])["rules"].items()}
    funnel = chain.last.manifest.funnel["stack"]["stack/python"]
    counted = {name: count.model_dump() for name, count in funnel.rejected.items()}
    assert now == {"kept": {"documents": funnel.documents, "bytes": funnel.bytes}, **counted}
    assert funnel.bytes_in == sum(counts["bytes"] for counts in now.values()) > funnel.bytes > 0


def test_no_change_changes_nothing(tmp_path: Path) -> None:
    comparison = compare_thresholds(
        load_chain(str(decided(tmp_path, "max_line_length = 70", "out"))), []
    )
    assert comparison["thresholds"] == {}
    assert all(counts["now"] == counts["then"] for counts in comparison["rules"].values())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["max_line_length"], "'max_line_length' is not written FILTER=NUMBER"),
        (["max_line_length=many"], "is not written FILTER=NUMBER"),
        (["max_line_lengths=3"], "did you mean 'max_line_length'"),
        (["min_comment_share=true"], "min_comment_share: was off for stack when the job ran"),
    ],
)
def test_a_change_that_cannot_be_compared_is_an_error(
    tmp_path: Path, changes: list[str], sentence: str
) -> None:
    chain = load_chain(str(decided(tmp_path, "", "out")))
    with pytest.raises(UsageError, match=sentence):
        compare_thresholds(chain, changes)


def test_a_chain_without_decisions_is_an_error(small_dataset: Any) -> None:
    with pytest.raises(UsageError, match="holds no license_filter"):
        compare_thresholds(load_chain(small_dataset), [])
