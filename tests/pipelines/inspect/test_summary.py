import json

from hypothesis import given
from hypothesis import strategies as st

from manifests.lineage.chain import Flow, load_chain
from manifests.lineage.receipts import Count
from pipelines.inspect.summary import add_flows, group_components, render_summary, summarize
from tests.outputs import printed


def flow(source, tokens):
    return Flow(source, Count(documents=1), {}, Count(documents=1, bytes=tokens), tokens)


def test_the_summary_has_the_whole_chain_as_json(output):
    summary = json.loads(json.dumps(summarize(load_chain(str(output)))))
    assert summary["step"] == "tokenize"
    assert summary["totals"]["documents_in"] == 75
    python = summary["funnel"]["the-stack/python"]
    assert python["rejected"]["license_filter"]["license_not_allowed"]["documents"] == 4
    assert (
        sum(component["tokens"] for component in summary["funnel"].values())
        == summary["totals"]["tokens"]
    )
    assert [link["step"] for link in summary["chain"]] == ["license_filter", "dedup", "tokenize"]
    assert summary["failed"] == [
        {"source": "the-pile", "input": "02.jsonl.zst", "error": "it ends too early"}
    ]
    assert summary["tokenizer"]["dtype"] == "uint16"


def test_the_printed_summary_has_every_component_rule_and_failure_in_80_columns(output):
    text = printed(render_summary(load_chain(str(output))))
    for word in ("python", "wikipedia-en", "license_not_allowed", "minhash", "02.jsonl.zst"):
        assert word in text
    assert max(len(line) for line in text.splitlines() if str(output) not in line) <= 80


def test_a_step_without_tokens_has_a_summary(output):
    chain = load_chain(str(output / "license_filter"))
    assert summarize(chain)["tokenizer"] is None
    assert "documents" in printed(render_summary(chain))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=30))
def test_small_components_share_a_row_and_none_is_lost(sizes):
    parts = {f"{source}/{i}": flow(source, tokens) for i, (source, tokens) in enumerate(sizes)}
    rows = group_components(parts, most=5)
    assert sum(number for _, _, number in rows) == len(parts)
    assert sum(flow.tokens or 0 for _, flow, _ in rows) == sum(tokens for _, tokens in sizes)
    assert len(rows) <= 5 + 2
    listed = [flow.tokens or 0 for _, flow, _ in rows[:5]]
    assert listed == sorted((tokens for _, tokens in sizes), reverse=True)[:5]


def test_the_sum_of_no_flows_is_empty():
    assert add_flows([]).kept == Count()
