"""From a document to its tokens, and from a token to its document."""

import json
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from pipelines.commands import register
from pipelines.inspect import find
from pipelines.inspect.document import describe_document
from pipelines.inspect.locate import locate, locate_text, render_locations
from pipelines.inspect.tables import shard_tables
from tests.outputs import made_up_rows, printed


@pytest.fixture(scope="module")
def chain(output_made_once):
    return load_chain(str(output_made_once))


@pytest.fixture(scope="module")
def dataset(chain):
    return Dataset.open(chain.last.directory)


@pytest.fixture
def run():
    app = typer.Typer()
    register(app)

    def call(*arguments):
        return CliRunner().invoke(
            app, [str(argument) for argument in arguments], catch_exceptions=False
        )

    return call


def stored(chain):
    """Every row of every table beside a shard, with the shard."""
    for table in shard_tables(chain):
        for row in pq.read_table(table.url).to_pylist():
            yield {**row, "shard": table.name}


def test_every_document_is_found_by_its_id_and_by_its_text(chain):
    texts = {row["path"]: row["text"] for rows in made_up_rows().values() for row in rows}
    for row in stored(chain):
        by_id = locate(chain, row["id"].hex())
        place = {name: row[name] for name in ("shard", "block", "start", "tokens", "path")}
        assert place.items() <= asdict(by_id[0]).items()
        by_text = locate_text(chain, texts[row["path"]])
        assert row["id"].hex() in [stored.id for stored in by_text]


def test_every_token_leads_back_to_its_document(chain, dataset):
    for shard in dataset.shards["shard"].to_pylist():
        rows_of_shard = [row for row in stored(chain) if row["shard"] == shard]
        number = dataset.shards["shard"].to_pylist().index(shard)
        rows = dataset.block_range(range(number, number + 1))
        lengths = dataset.blocks["tokens"][rows.start : rows.stop].tolist()
        owners = [row["path"] for row in rows_of_shard for _ in range(row["tokens"])]
        places = [(block, token) for block, n in enumerate(lengths) for token in range(n)]
        for (block, token), path in list(zip(places, owners, strict=True))[::23]:
            (result,) = locate(chain, f"{shard}:{block}:{token}")
            assert result.path == path
            assert result.repositories


@pytest.mark.parametrize(
    "shard",
    [
        "shards/the-stack/python-00000-0123abcd.tar",
        "shards/the-stack/python-00000-0123abcd",
        "the-stack/python-00001-0123abcd.tar",
        "elsewhere/tokenize-small/shards/the-stack/c-00000-0123abcd.tar",
    ],
)
def test_the_end_of_a_shards_path_is_enough(chain, shard):
    assert locate(chain, f"{shard}:0:0")[0].component.startswith("the-stack/")


def test_a_path_or_a_text_locates_a_document(chain):
    row = next(stored(chain))
    assert locate(chain, row["path"])[0].id == row["id"].hex()
    text = next(
        item["text"]
        for rows in made_up_rows().values()
        for item in rows
        if item["path"] == row["path"]
    )
    assert locate(chain, text)[0].path == row["path"]


def test_a_redacted_text_is_located_by_its_text_before_redaction(output):
    """Its hash in the shard is that of the text without what was replaced."""
    chain = load_chain(str(output))
    path = sorted(output.glob("license_filter/documents/*"))[0]
    table = pq.read_table(path)
    kept = {row["id"] for row in stored(chain)}
    rows = table.to_pylist()
    row = next(item for item in rows if item["id"] in kept)
    text = row["text"].replace("#", "@", 1)
    assert len(text) == len(row["text"])
    row["text"] = text
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    assert locate_text(chain, text)[0].id == row["id"].hex()


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("there is no such text", "no document in its shards has this text"),
        ("shards/the-stack/python-00000-0123abcd.tar:99:0", "has blocks 0 to"),
        ("shards/the-stack/python-00000-0123abcd.tar:0:9999", "block 0 has tokens 0 to"),
        ("nothing.tar:0:0", "has no shard 'nothing.tar'"),
        ("python-00000-0123abcd.tar:0:0", "fits 2 shards"),
    ],
)
def test_a_query_without_a_document_is_an_error(chain, query, what):
    with pytest.raises(UsageError, match=what):
        locate(chain, query)


def test_a_document_that_no_shard_holds_is_an_error(chain):
    removed = next(
        row for rows in made_up_rows().values() for row in rows if row["rule"] is not None
    )
    with pytest.raises(UsageError, match="is in none of its shards"):
        locate(chain, removed["id"].hex())


def test_a_chain_without_shards_is_an_error(output):
    with pytest.raises(UsageError, match="has no shards: tokenize comes first"):
        locate(load_chain(str(output / "dedup")), "abcd")


def test_the_command_prints_text_and_json(run, chain, output, tmp_path):
    row = next(stored(chain))
    result = json.loads(run("locate", output, row["id"].hex(), "--json").stdout)["documents"]
    documents = locate(chain, row["id"].hex())
    assert result == [asdict(document) for document in documents]
    place = f"{row['shard']}:{row['block']}:{row['start']}"
    assert place in printed(render_locations(documents), 200)
    assert place in run("locate", output, row["path"]).stdout
    text = next(e["text"] for rs in made_up_rows().values() for e in rs if e["path"] == row["path"])
    (tmp_path / "a.txt").write_text(text)
    assert place in run("locate", output, "--file", tmp_path / "a.txt").stdout
    with pytest.raises(UsageError, match="one of them"):
        run("locate", output)


@pytest.mark.parametrize("look_up", [describe_document, locate])
@pytest.mark.parametrize("column", ["id", "path"])
def test_no_search_is_repeated(chain, monkeypatch, look_up, column):
    searches: list[tuple[str, ...]] = []
    search_tables = find._search

    def noting(search, tables):
        searches.append((search.__qualname__, *(table.url for table in tables)))
        return search_tables(search, tables)

    monkeypatch.setattr(find, "_search", noting)
    row = next(stored(chain))
    look_up(chain, row["id"].hex() if column == "id" else row["path"])
    assert len(searches) == len(set(searches)) > 0
