import json

from hypothesis import given
from hypothesis import strategies as st

from manifests.lineage.chain import Flow, load_chain
from manifests.lineage.receipts import Count
from pipelines.inspect.summary import grouped, inspect, render, together
from tests.outputs import printed


def flow(source, tokens):
    return Flow(source, Count(documents=1), {}, Count(documents=1, bytes=tokens), tokens)


def test_everything_is_told_as_json(output):
    told = json.loads(json.dumps(inspect(load_chain(str(output)))))
    assert told["step"] == "tokenize"
    assert told["totals"]["documents_in"] == 75
    python = told["funnel"]["the-stack/python"]
    assert python["rejected"]["license_filter"]["license_not_allowed"]["documents"] == 4
    assert sum(each["tokens"] for each in told["funnel"].values()) == told["totals"]["tokens"]
    assert [link["step"] for link in told["chain"]] == ["license_filter", "dedup", "tokenize"]
    assert told["failed"] == [
        {"source": "the-pile", "input": "02.jsonl.zst", "error": "it ends too early"}
    ]
    assert told["tokenizer"]["dtype"] == "uint16"


def test_people_read_every_component_rule_and_failure(output):
    text = printed(render(load_chain(str(output))))
    for word in ("python", "wikipedia-en", "license_not_allowed", "minhash", "02.jsonl.zst"):
        assert word in text
    assert max(len(line) for line in text.splitlines() if str(output) not in line) <= 80


def test_a_step_without_tokens_is_told_too(output):
    chain = load_chain(str(output / "license_filter"))
    assert inspect(chain)["tokenizer"] is None
    assert "documents" in printed(render(chain))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=30))
def test_small_components_are_put_together_and_none_is_lost(sizes):
    parts = {f"{source}/{i}": flow(source, tokens) for i, (source, tokens) in enumerate(sizes)}
    rows = grouped(parts, most=5)
    assert sum(number for _, _, number in rows) == len(parts)
    assert sum(each.tokens or 0 for _, each, _ in rows) == sum(tokens for _, tokens in sizes)
    assert len(rows) <= 5 + 2
    listed = [each.tokens or 0 for _, each, _ in rows[:5]]
    assert listed == sorted((tokens for _, tokens in sizes), reverse=True)[:5]


def test_nothing_adds_up_to_nothing():
    assert together([]).kept == Count()
