import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from manifests.schemas import PLAN
from pipelines.inspect.document import describe_document, render_document, stored_text
from pipelines.inspect.find import find_id
from pipelines.inspect.tables import shard_tables, stored_document
from tests.corpora import stack_row, write_stack
from tests.outputs import made_up_rows, printed, write_table


def rows_of(output, pattern):
    return [row for path in sorted(output.glob(pattern)) for row in pq.read_table(path).to_pylist()]


def all_rows():
    return {row["id"]: row for rows in made_up_rows().values() for row in rows}


def test_every_document_has_the_reason_why_it_was_kept_or_rejected(output):
    chain = load_chain(str(output))
    gone = {row["id"]: row for row in rows_of(output, "dedup/duplicates/*")}
    for id, row in list(all_rows().items())[::4]:
        description = describe_document(chain, id.hex())
        (occurrence,) = description["occurrences"]
        assert occurrence["input_row"] == row["input_row"]
        if row["rule"]:
            assert description["why"].startswith(f"rejected by license_filter: {row['rule']} (")
            assert description["text"] is None
            assert description["shards"] == []
        elif id in gone:
            copy = occurrence["duplicate"]
            assert copy["kept_id"] == gone[id]["kept_id"].hex()
            assert copy["kept_path"] == all_rows()[gone[id]["kept_id"]]["path"]
            assert description["why"].startswith(f"removed by dedup: {copy['rule']} copy of")
            assert description["shards"] == []
        else:
            assert description["why"].startswith("kept (")
            assert description["text"] == row["text"]
            assert len(description["shards"]) == 1
            assert description["origin"]["path"] == row["path"]


def test_a_prefix_of_an_id_or_a_path_names_a_document(output):
    chain = load_chain(str(output))
    row = next(row for row in all_rows().values() if not row["rule"])
    for query in (row["id"].hex()[:9], row["id"].hex()[:10], row["path"]):
        assert find_id(chain, query) == row["id"]


def test_without_documents_the_text_is_decoded_from_tokens(output, tmp_path):
    chain = load_chain(str(output))
    shutil.copytree(output / "tokenize-small", tmp_path / "alone")
    alone = load_chain(str(tmp_path / "alone"))
    path = next(row["path"] for row in rows_of(output, "tokenize-small/*/*/*.parquet"))
    description, whole = describe_document(alone, path), describe_document(chain, path)
    assert description["text"] == whole["text"]
    assert (description["text_from"], whole["text_from"]) == ("tokens", "documents")
    assert "the tables that say why are missing" in description["why"]
    assert description["why"].startswith("kept: it is in ")


def test_every_stored_document_decodes_to_its_text(output):
    chain = load_chain(str(output))
    texts = {row["id"]: row["text"] for row in all_rows().values()}
    for table in shard_tables(chain):
        for number, row in enumerate(pq.read_table(table.url).to_pylist()):
            stored = stored_document(chain, table, number)
            assert stored_text(chain, stored) == texts[row["id"]]
    assert (
        max(
            row["blocks"] for row in Dataset.open(str(output / "tokenize-small")).shards.to_pylist()
        )
        > 4
    )


def test_an_unknown_id_is_an_error(output):
    chain = load_chain(str(output))
    for query in ("0" * 32, "src/nowhere.py", "zz"):
        with pytest.raises(UsageError, match=f"holds no document '{query}'"):
            describe_document(chain, query)


def test_an_ambiguous_query_lists_the_documents_that_fit(output):
    path = sorted(output.glob("license_filter/documents/*"))[0]
    table = pq.read_table(path)
    rows = [{**row, "path": "README.md"} for row in table.to_pylist()]
    write_table(str(path), rows, table.schema)
    with pytest.raises(
        UsageError, match=rf"fits {len(rows)} documents; name one by its id: [0-9a-f]"
    ) as description:
        describe_document(load_chain(str(output)), "README.md")
    assert f"and {len(rows) - 8} more" in str(description.value)


def test_all_rows_with_an_id_are_shown(output):
    """The first row with the id is a copy of the second one, which stays."""
    name = max(output.glob("dedup/duplicates/*"), key=lambda path: path.stat().st_size).name
    gone = pq.read_table(output / "dedup/duplicates" / name)
    place = gone["row"][0].as_py()
    documents = output / "license_filter/documents" / name
    table = pq.read_table(documents)
    rows = table.to_pylist()
    old, new = rows[place]["id"], rows[place - 1]["id"]
    for path in (
        documents,
        output / "license_filter/decisions" / name,
        output / "dedup/duplicates" / name,
    ):
        table = pq.read_table(path)
        changed = [
            {**row, "id": new if row["id"] == old else row["id"]} for row in table.to_pylist()
        ]
        write_table(str(path), changed, table.schema)
    description = describe_document(load_chain(str(output)), new.hex())
    assert [bool(occurrence["duplicate"]) for occurrence in description["occurrences"]] == [
        False,
        True,
    ]
    assert description["why"].startswith("kept (")
    assert description["why"].endswith("(1 other row with the same id)")


def test_the_description_is_json_and_can_be_printed(output):
    chain = load_chain(str(output))
    row = next(row for row in all_rows().values() if not row["rule"])
    description = describe_document(chain, row["id"].hex())
    assert json.loads(json.dumps(description)) == description
    text = printed(render_document(description), 200)
    for word in (
        row["path"],
        row["text"].splitlines()[0],
        "shards/",
        "mean_line_length 31.5, max_control_share 0\n",
    ):
        assert word in text
    rejected = next(row for row in all_rows().values() if row["rule"])
    assert "The text is not available: its input or documents/ is missing" in printed(
        render_document(describe_document(chain, rejected["id"].hex())), 200
    )
    assert np.isclose(description["occurrences"][0]["scores"]["mean_line_length"], 31.5)


def test_the_text_of_a_rejected_document_is_read_from_an_unchanged_input(output):
    row = next(row for row in all_rows().values() if row["rule"])
    chain = load_chain(str(output))
    (description,) = describe_document(chain, row["id"].hex())["occurrences"]
    text = "x" * (description["bytes"] - 1) + "!"
    path = output / "input.parquet"
    others = [stack_row("another", ["MIT"])] * description["input_row"]
    write_stack(path, [*others, stack_row(text, ["MIT"])])
    planned = {
        "source": description["source"],
        "input": description["input"],
        "url": str(path),
        "start": 0,
        "bytes": path.stat().st_size,
        "version": str(path.stat().st_mtime_ns),
        "step": "",
        "part": "",
        "heldout": None,
    }
    write_table(str(output / "plan.parquet"), [planned], PLAN)
    result = describe_document(chain, row["id"].hex())
    assert (result["text"], result["text_from"]) == (text, "input")
    shown = printed(render_document(result), 1000)
    assert "text, from its input" in shown and text[-200:] in shown
    kept = next(row for row in all_rows().values() if not row["rule"])
    assert describe_document(chain, kept["id"].hex())["text_from"] == "documents"
    path.write_bytes(path.read_bytes() + b"\n")
    assert describe_document(chain, row["id"].hex())["text"] is None
