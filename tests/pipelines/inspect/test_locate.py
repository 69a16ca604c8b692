"""where: from a document to its tokens, and from a token to its document."""

import json

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from pipelines.commands.locate import register
from pipelines.inspect import find
from pipelines.inspect.document import show
from pipelines.inspect.find import shard_tables
from pipelines.inspect.locate import render, where, where_text
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
        return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)

    return call


def stored(chain):
    """Every row of every table beside a shard, with the shard."""
    for table in shard_tables(chain):
        for row in pq.read_table(table.url).to_pylist():
            yield {**row, "shard": table.about["shard"]}


def test_every_document_is_found_by_its_id_and_by_its_text(chain):
    texts = {row["path"]: row["text"] for rows in made_up_rows().values() for row in rows}
    for row in stored(chain):
        by_id = where(chain, row["id"].hex())
        place = {name: row[name] for name in ("shard", "block", "start", "tokens", "path")}
        assert place.items() <= by_id[0].items()
        by_text = where_text(chain, texts[row["path"]])
        assert row["id"].hex() in [each["id"] for each in by_text]


def test_every_token_leads_back_to_its_document(chain, dataset):
    for shard in dataset.shards["shard"].to_pylist():
        mine = [row for row in stored(chain) if row["shard"] == shard]
        number = dataset.shards["shard"].to_pylist().index(shard)
        rows = dataset.block_range(range(number, number + 1))
        lengths = dataset.blocks["tokens"][rows.start : rows.stop].tolist()
        owners = [row["path"] for row in mine for _ in range(row["tokens"])]
        places = [(block, token) for block, n in enumerate(lengths) for token in range(n)]
        for (block, token), path in list(zip(places, owners, strict=True))[::23]:
            (found,) = where(chain, f"{shard}:{block}:{token}")
            assert found["path"] == path
            assert found["repositories"]
            assert "license" in found


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
    assert where(chain, f"{shard}:0:0")[0]["component"].startswith("the-stack/")


def test_a_path_or_a_text_may_be_given_too(chain):
    row = next(stored(chain))
    assert where(chain, row["path"])[0]["id"] == row["id"].hex()
    text = next(
        each["text"]
        for rows in made_up_rows().values()
        for each in rows
        if each["path"] == row["path"]
    )
    assert where(chain, text)[0]["path"] == row["path"]


def test_a_redacted_text_is_found_by_what_came_in(output):
    """Its hash in the shard is that of the text without what was replaced."""
    chain = load_chain(str(output))
    path = sorted(output.glob("license_filter/documents/*"))[0]
    table = pq.read_table(path)
    kept = {row["id"] for row in stored(chain)}
    rows = table.to_pylist()
    row = next(each for each in rows if each["id"] in kept)
    text = row["text"].replace("#", "@", 1)
    assert len(text) == len(row["text"])
    row["text"] = text
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    assert where_text(chain, text)[0]["id"] == row["id"].hex()


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
def test_what_is_not_there_is_a_bad_call(chain, query, what):
    with pytest.raises(UsageError, match=what):
        where(chain, query)


def test_a_document_that_no_shard_holds_is_told(chain):
    removed = next(
        row for rows in made_up_rows().values() for row in rows if row["rule"] is not None
    )
    with pytest.raises(UsageError, match="is in none of its shards"):
        where(chain, removed["id"].hex())


def test_before_tokenize_there_is_nowhere(output):
    with pytest.raises(UsageError, match="has no shards: tokenize comes first"):
        where(load_chain(str(output / "dedup")), "abcd")


def test_people_and_programs_read_it(run, chain, output, tmp_path):
    row = next(stored(chain))
    found = json.loads(run("where", output, row["id"].hex(), "--json").stdout)["documents"]
    assert found == where(chain, row["id"].hex())
    place = f"{row['shard']}:{row['block']}:{row['start']}"
    assert place in printed(render(found), 200)
    assert place in run("where", output, row["path"]).stdout
    text = next(e["text"] for rs in made_up_rows().values() for e in rs if e["path"] == row["path"])
    (tmp_path / "a.txt").write_text(text)
    assert place in run("where", output, "--file", tmp_path / "a.txt").stdout
    with pytest.raises(UsageError, match="one of them"):
        run("where", output)


@pytest.mark.parametrize("look", [show, where])
@pytest.mark.parametrize("column", ["id", "path"])
def test_no_tables_are_searched_twice_for_the_same(chain, monkeypatch, look, column):
    searches: list[tuple[str, ...]] = []
    each = find._each

    def noting(search, tables):
        searches.append((search.__qualname__, *(table.url for table in tables)))
        return each(search, tables)

    monkeypatch.setattr(find, "_each", noting)
    row = next(stored(chain))
    look(chain, row["id"].hex() if column == "id" else row["path"])
    assert len(searches) == len(set(searches)) > 0
