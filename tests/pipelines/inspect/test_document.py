import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from manifests.schemas import PLAN
from pipelines.inspect.document import render, show, stored_text
from pipelines.inspect.find import find_id, shard_tables
from tests.corpora import stack_row, write_stack
from tests.outputs import made_up_rows, printed, write_table


def rows_of(output, pattern):
    return [row for path in sorted(output.glob(pattern)) for row in pq.read_table(path).to_pylist()]


def all_rows():
    return {row["id"]: row for rows in made_up_rows().values() for row in rows}


def test_every_document_says_why_it_was_kept_or_rejected(output):
    chain = load_chain(str(output))
    gone = {row["id"]: row for row in rows_of(output, "dedup/duplicates/*")}
    for id, row in list(all_rows().items())[::4]:
        told = show(chain, id.hex())
        (occurrence,) = told["occurrences"]
        assert occurrence["input_row"] == row["input_row"]
        if row["rule"]:
            assert told["why"].startswith(f"rejected by license_filter: {row['rule']} (")
            assert told["text"] is None
            assert told["shards"] == []
        elif id in gone:
            copy = occurrence["duplicate"]
            assert copy["kept_id"] == gone[id]["kept_id"].hex()
            assert copy["kept_path"] == all_rows()[gone[id]["kept_id"]]["path"]
            assert told["why"].startswith(f"removed by dedup: {copy['rule']} copy of")
            assert told["shards"] == []
        else:
            assert told["why"].startswith("kept (")
            assert told["text"] == row["text"]
            assert len(told["shards"]) == 1
            assert told["origin"]["path"] == row["path"]


def test_a_prefix_and_a_path_name_a_document_too(output):
    chain = load_chain(str(output))
    row = next(row for row in all_rows().values() if not row["rule"])
    for query in (row["id"].hex()[:9], row["id"].hex()[:10], row["path"]):
        assert find_id(chain, query) == row["id"]


def test_text_is_decoded_where_documents_are_not_here(output, tmp_path):
    chain = load_chain(str(output))
    shutil.copytree(output / "tokenize-small", tmp_path / "alone")
    alone = load_chain(str(tmp_path / "alone"))
    path = next(row["path"] for row in rows_of(output, "tokenize-small/*/*/*.parquet"))
    told, whole = show(alone, path), show(chain, path)
    assert told["text"] == whole["text"]
    assert (told["text_from"], whole["text_from"]) == ("tokens", "documents")
    assert "the tables that say why are not here" in told["why"]
    assert told["why"].startswith("kept: it is in ")


def test_every_stored_document_decodes_to_its_text(output):
    chain = load_chain(str(output))
    texts = {row["id"]: row["text"] for row in all_rows().values()}
    for table in shard_tables(chain):
        for row in pq.read_table(table.url).to_pylist():
            place = {name: table.about[name] for name in ("heldout", "number")}
            assert stored_text(chain, {**row, **place}) == texts[row["id"]]
    assert (
        max(
            row["blocks"] for row in Dataset.open(str(output / "tokenize-small")).shards.to_pylist()
        )
        > 4
    )


def test_an_unknown_id_is_told(output):
    chain = load_chain(str(output))
    for query in ("0" * 32, "src/nowhere.py", "zz"):
        with pytest.raises(UsageError, match=f"holds no document '{query}'"):
            show(chain, query)


def test_several_documents_that_fit_are_listed(output):
    path = sorted(output.glob("license_filter/documents/*"))[0]
    table = pq.read_table(path)
    rows = [{**row, "path": "README.md"} for row in table.to_pylist()]
    write_table(str(path), rows, table.schema)
    with pytest.raises(
        UsageError, match=rf"fits {len(rows)} documents; name one by its id: [0-9a-f]"
    ) as told:
        show(load_chain(str(output)), "README.md")
    assert f"and {len(rows) - 8} more" in str(told.value)


def test_rows_that_share_an_id_are_all_shown(output):
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
    told = show(load_chain(str(output)), new.hex())
    assert [bool(each["duplicate"]) for each in told["occurrences"]] == [False, True]
    assert told["why"].startswith("kept (")
    assert told["why"].endswith("(1 other row with the same id)")


def test_people_and_programs_read_it(output):
    chain = load_chain(str(output))
    row = next(row for row in all_rows().values() if not row["rule"])
    told = show(chain, row["id"].hex())
    assert json.loads(json.dumps(told)) == told
    text = printed(render(told), 200)
    for word in (row["path"], row["text"].splitlines()[0], "shards/", "mean_line_length 31.5"):
        assert word in text
    rejected = next(row for row in all_rows().values() if row["rule"])
    assert "Its text is not here: its input, or documents/, is gone" in printed(
        render(show(chain, rejected["id"].hex())), 200
    )
    assert np.isclose(told["occurrences"][0]["scores"]["mean_line_length"], 31.5)


def test_a_rejected_text_is_read_from_an_input_that_is_as_it_was(output):
    row = next(row for row in all_rows().values() if row["rule"])
    chain = load_chain(str(output))
    (told,) = show(chain, row["id"].hex())["occurrences"]
    text = "x" * (told["bytes"] - 1) + "!"
    path = output / "input.parquet"
    others = [stack_row("another", ["MIT"])] * told["input_row"]
    write_stack(path, [*others, stack_row(text, ["MIT"])])
    planned = {
        "source": told["source"],
        "input": told["input"],
        "url": str(path),
        "start": 0,
        "bytes": path.stat().st_size,
        "version": str(path.stat().st_mtime_ns),
        "step": "",
        "part": "",
        "refused": False,
    }
    write_table(str(output / "plan.parquet"), [planned], PLAN)
    found = show(chain, row["id"].hex())
    assert (found["text"], found["text_from"]) == (text, "input")
    shown = printed(render(found), 1000)
    assert "text, as its input has it" in shown and text[-200:] in shown
    kept = next(row for row in all_rows().values() if not row["rule"])
    assert show(chain, kept["id"].hex())["text_from"] == "documents"
    path.write_bytes(path.read_bytes() + b"\n")
    assert show(chain, row["id"].hex())["text"] is None
