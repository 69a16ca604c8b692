"""Forgetting: who is found, by every repository of a row, and what is said of it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from manifests.dataset.dataset import Dataset
from manifests.dataset.tombstone_file import FOLDER
from manifests.dataset.tombstones import Tombstones
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import Manifest, Totals, load_manifest, save_manifest
from manifests.mixture.mixture import make_mixture
from manifests.verify.cleanup import plan_cleanup, remove, render_cleanup
from pipelines.inspect.summary import summarize
from pipelines.maintain.forget import ForgetRequest, forget, forgotten_text
from tests.datasets import Document, write_documents
from tests.outputs import printed

PYTHON = "the-stack/python"


def asked(tmp_path, *lines, **options):
    path = tmp_path / "opt-outs.txt"
    path.write_text("\n".join(lines) + "\n")
    return ForgetRequest.of([str(path)] if lines else [], **options)


def origins(directory, name, heldout=False):
    component = Dataset.open(directory).component(name, heldout)
    return [component.origin(document) for document in range(component.documents)]


def ranges(directory, name, heldout=False):
    return Tombstones(directory, load_manifest(directory)).ranges(name, heldout)


def addresses_of(rows, chosen):
    """The addresses of the rows that `chosen` takes, counted one by one."""
    result: list[int] = []
    start = 0
    for row in rows:
        stop = start + row["tokens"] + 1
        result += range(start, stop) if chosen(row) else ()
        start = stop
    return result


def inside(pairs):
    return [x for start, stop in pairs.tolist() for x in range(start, stop)]


@pytest.mark.parametrize("name", [PYTHON, "the-stack/cpp", "the-pile/wikipedia-en"])
def test_a_repository_is_forgotten_to_the_address(small_dataset, tmp_path, name):
    slug = name.split("/")[1]
    summary = forget(small_dataset, asked(tmp_path, f"OWNER/{slug}-3  # as on GitHub"))
    rows = origins(small_dataset, name)
    expected = addresses_of(rows, lambda row: f"owner/{slug}-3" in row["repositories"])
    assert expected
    assert inside(ranges(small_dataset, name)) == expected
    assert sum(summary["components"][name].values()) >= len(expected)  # held-out ones too
    assert summary["unused"] == []


def test_held_out_documents_too(small_dataset, tmp_path):
    forget(small_dataset, asked(tmp_path, "owner/python-2"))
    rows = origins(small_dataset, PYTHON, heldout=True)
    expected = addresses_of(rows, lambda row: row["repositories"] == ["owner/python-2"])
    assert expected
    assert inside(ranges(small_dataset, PYTHON, heldout=True)) == expected


def test_every_repository_of_a_row_counts(tmp_path, small_tokenizer):
    named = [["a/first"], ["a/first", "b/second"], ["c/third", "a/first", "b/second"], ["c/third"]]
    documents = [Document(i, 5, repositories=names) for i, names in enumerate(named)]
    directory = write_documents(tmp_path / "tokenize-a", documents, small_tokenizer)
    summary = forget(directory, asked(tmp_path, "b/second"))
    assert summary["documents"] == 2
    rows = origins(directory, "own/a")
    expected = addresses_of(rows, lambda row: "b/second" in row["repositories"])
    assert expected
    assert inside(ranges(directory, "own/a")) == expected


def test_readers_leave_them_out(small_dataset, tmp_path):
    before = Dataset.open(small_dataset).component(PYTHON)
    every = [tokens.tolist() for tokens in before.read_documents()]
    summary = forget(small_dataset, asked(tmp_path, "owner/python-3"))
    rows = origins(small_dataset, PYTHON)
    gone = [n for n, row in enumerate(rows) if row["repositories"] == ["owner/python-3"]]
    after = Dataset.open(small_dataset).component(PYTHON)
    assert after.forgotten.tolist() == gone
    assert len(gone) <= summary["documents"]
    kept = [tokens for n, tokens in enumerate(every) if n not in gone]
    assert [tokens.tolist() for tokens in after.read_documents()] == kept
    wanted = [gone[1], 0, gone[0], 5, 0]
    result = after.gather(wanted)
    split = np.split(result.tokens, result.starts[1:-1])
    assert [item.tolist() for item in split] == [[] if n in gone else every[n] for n in wanted]
    whole = after.gather(wanted, forgotten=True)
    assert np.split(whole.tokens, whole.starts[1:-1])[0].tolist() == every[gone[1]]


def test_by_license_id_and_owner(small_dataset, tmp_path):
    summary = forget(small_dataset, asked(tmp_path, licenses=["mit"]))
    rows = origins(small_dataset, PYTHON)
    expected = addresses_of(rows, lambda row: row["license"] == "MIT")
    assert inside(ranges(small_dataset, PYTHON)) == expected
    chosen = next(row for row in rows if row["license"] is None)
    one = forget(small_dataset, asked(tmp_path, ids=[chosen["id"].hex()]))
    everywhere = [*rows, *origins(small_dataset, PYTHON, heldout=True)]
    same = [row for row in everywhere if row["id"] == chosen["id"] and row["license"] is None]
    assert one["documents"] == len(same)  # ids are not unique
    assert one["tokens"] == sum(row["tokens"] for row in same)
    rest = forget(small_dataset, asked(tmp_path, owners=["Owner"]))
    manifest = load_manifest(small_dataset)
    assert summary["documents"] + one["documents"] + rest["documents"] == manifest.totals.documents
    assert rest["already"] == summary["documents"] + one["documents"]
    whole = ranges(small_dataset, PYTHON)
    assert whole.tolist() == [[0, manifest.components[PYTHON].addresses]]


def test_those_of_no_known_license(small_dataset, tmp_path):
    summary = forget(small_dataset, asked(tmp_path, licenses=["NOASSERTION"]))
    unknown = sum(
        row["license"] is None
        for name in ("the-stack/cpp", PYTHON, "the-pile/wikipedia-en")
        for row in origins(small_dataset, name)
    )
    unknown += sum(row["license"] is None for row in origins(small_dataset, PYTHON, True))
    assert summary["documents"] == unknown


@pytest.mark.parametrize(
    ("expression", "goes"),
    [("MIT AND GPL-2.0-only", True), ("(GPL-2.0-only OR MIT)", True), ("LGPL-2.0-only", False)],
)
def test_a_license_inside_an_expression(tmp_path, expression, goes):
    row = {"repositories": ["a/b"], "path": "c.py", "id": bytes(16), "license": expression}
    reasons = asked(tmp_path, licenses=["GPL-2.0-only"]).reasons(pa.Table.from_pylist([row]))
    assert reasons == ["license GPL-2.0-only" if goes else None]


def test_what_is_not_there_and_what_was_forgotten_before(small_dataset, tmp_path):
    summary = forget(small_dataset, asked(tmp_path, "nobody/nothing", licenses=["0BSD"]))
    assert summary["tombstone"] is None
    assert summary["unused"] == ["repository nobody/nothing", "license 0BSD"]
    assert "nothing new to forget" in forgotten_text(summary)
    assert "no document here for repository nobody/nothing, license 0BSD" in forgotten_text(summary)
    once = forget(small_dataset, asked(tmp_path, "owner/python-1"))
    assert "forgotten: " in forgotten_text(once)
    twice = forget(small_dataset, asked(tmp_path, "owner/python-1"))
    assert (twice["tombstone"], twice["documents"]) == (None, 0)
    assert twice["already"] == once["documents"]
    assert len(files.list_names(f"{small_dataset}/{FOLDER}")) == 1


def test_an_entry_that_only_takes_what_another_takes_too_is_used(small_dataset, tmp_path):
    named = ["owner", "owner/python-1", "nobody/nothing"]
    both = asked(tmp_path, *named, licenses=["MIT", "0BSD"])
    assert forget(small_dataset, both)["unused"] == ["repository nobody/nothing", "license 0BSD"]


def test_two_licenses_of_one_expression_are_both_used(tmp_path, small_tokenizer):
    rows = [Document(0, 5, license="MIT AND BSD-3-Clause"), Document(1, 5, license="ISC")]
    directory = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer)
    summary = forget(directory, asked(tmp_path, licenses=["MIT", "bsd-3-clause", "0BSD"]))
    assert (summary["documents"], summary["unused"]) == (1, ["license 0BSD"])


def test_two_at_once_are_both_obeyed(small_dataset, tmp_path):
    wanted = [asked(tmp_path, f"owner/python-{number}") for number in (1, 2, 1)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda each: forget(small_dataset, each), wanted))
    rows = origins(small_dataset, PYTHON)
    gone = {"owner/python-1", "owner/python-2"}
    expected = addresses_of(rows, lambda row: not gone.isdisjoint(row["repositories"]))
    assert inside(ranges(small_dataset, PYTHON)) == expected
    assert len(files.list_names(f"{small_dataset}/{FOLDER}")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "none is given"),
        ({"ids": ["12ab"]}, "--ids: '12ab' is not an id: 32 of the digits"),
        ({"owners": ["a/b"]}, "--owners: 'a/b' is not an owner"),
        ({"owners": ["a b"]}, "--owners: 'a b' is not an owner"),
        ({"licenses": [""]}, "--licenses: an id is empty"),
        ({"lists": ["none.txt"]}, "none.txt: there is no such file"),
    ],
)
def test_bad_calls(options, message):
    with pytest.raises(UsageError, match=message):
        ForgetRequest.of(**options)


def test_a_table_that_is_not_the_one_that_was_written(small_dataset, tmp_path):
    path = sorted(files.glob(f"{small_dataset}/shards/*/*.parquet"))[0]
    files.write_bytes(path, files.read_bytes(path) + b" ")
    with pytest.raises(DataError, match=r"parquet: its SHA-256 is not the one in shards\.parquet"):
        forget(small_dataset, asked(tmp_path, "owner/python-1"))


def test_what_is_no_dataset(tmp_path):
    manifest = Manifest(step="dedup", digest="1" * 64, config={}, totals=Totals(), funnel={})
    save_manifest(str(tmp_path / "dedup"), manifest)
    with pytest.raises(DataError, match="is the output of dedup"):
        forget(str(tmp_path / "dedup"), asked(tmp_path, "owner/python-1"))


def test_counts_are_of_documents_and_tokens(small_dataset, tmp_path):
    summary = forget(small_dataset, asked(tmp_path, "owner/python-1"))
    stones = Tombstones(small_dataset, load_manifest(small_dataset))
    sums = np.sum(
        [
            (item.documents, item.tokens)
            for item in (stones.forgotten(*key) for key in stones.components)
        ],
        axis=0,
    )
    assert (summary["documents"], summary["tokens"]) == tuple(sums)


def test_shards_made_anew_are_forgotten_of_again_and_the_old_tombstone_is_cleaned_away(
    tmp_path, small_tokenizer
):
    """Nobody reads on as if nothing were forgotten, and there is a way out."""
    rows = [Document(n, 9, repositories=[f"o/{n % 3}"]) for n in range(9)]
    directory = write_documents(tmp_path / "tokenize-a", rows, small_tokenizer)
    forget(directory, asked(tmp_path, "o/1"))
    (old,) = files.list_names(f"{directory}/{FOLDER}")
    write_documents(tmp_path / "tokenize-a", rows[1:], small_tokenizer)
    mixture = str(tmp_path / "MIX.toml")
    readers = [
        lambda: summarize(load_chain(directory)),
        lambda: make_mixture([directory], {"own": 1}, out=mixture),
        lambda: Dataset.open(directory).component("own/a").forgotten,
    ]
    for reader in readers:
        with pytest.raises(DataError, match=r"another dataset: .*`stackpile forget` again"):
            reader()
    summary = forget(directory, asked(tmp_path, "o/1"))
    assert (summary["documents"], summary["already"]) == (3, 0)
    assert summary["stale"] == [old.removesuffix(".parquet")]
    assert f"`stackpile clean {directory} --yes`" in forgotten_text(summary)
    assert forget(directory, asked(tmp_path, "o/1"))["already"] == 3
    with pytest.raises(DataError, match="belongs to another dataset"):
        readers[0]()
    result = plan_cleanup(str(tmp_path))
    assert [(file.kind, file.path) for file in result.files] == [("tombstones", f"{FOLDER}/{old}")]
    assert "come back, unless you call `forget` again" in printed(
        render_cleanup(result, False), 200
    )
    remove(result)
    for reader in readers:
        reader()
    assert Dataset.open(directory).component("own/a").forgotten.tolist() == [0, 3, 6]
    assert forget(directory, asked(tmp_path, "o/1"))["stale"] == []
