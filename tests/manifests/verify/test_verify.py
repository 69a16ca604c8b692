import json
import re
import shutil
import threading
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.dataset import writer
from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import load_manifest, save_manifest
from manifests.lineage.receipts import load_receipt, save_receipt
from manifests.verify.verify import verify
from tests.outputs import write_table

SHARD = "tokenize-small/shards/the-stack/python-00000-0123abcd"


def faults(directory) -> list[str]:
    return verify(load_chain(str(directory))).faults


def flip(path: Path, place: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= bits
    path.write_bytes(data)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def rewrite(path: Path, **columns) -> None:
    """Write a Parquet file again with some values changed: column -> (row, value)."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    for column, (row, value) in columns.items():
        rows[row][column] = value
    write_table(str(path), rows, table.schema)


def test_a_whole_output_is_in_order(output):
    calls = []
    result = verify(load_chain(str(output)), lambda done, total: calls.append((done, total)))
    assert result.faults == result.notes == []
    assert result.shards == 9
    assert result.documents == 52
    assert calls[-1] == (result.bytes, result.bytes)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert result.plain()["ok"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_wrong_byte_of_a_shard_is_named_or_its_block_is(output_made_once, tmp_path, data):
    directory = tmp_path / "alone"
    if not directory.exists():
        shutil.copytree(output_made_once / "tokenize-small", directory)
    shards = sorted(directory.glob("*/*/*.tar"))
    path = data.draw(st.sampled_from(shards))
    position = data.draw(st.integers(0, path.stat().st_size - 1))
    bits = data.draw(st.integers(1, 255))
    flip(path, position, bits)
    try:
        (fault,) = faults(directory)
    finally:
        flip(path, position, bits)
    exact = re.match(re.escape(f"{path}: byte ") + r"(\d+), in ", fault)
    block = re.match(re.escape(f"{path}: block ") + r"\S+, bytes (\d+) to (\d+): its check", fault)
    assert exact or block
    if exact:
        assert int(exact[1]) == position
    if block:
        assert int(block[1]) <= position < int(block[2])


def test_many_wrong_bytes_of_a_block_are_in_their_block(output):
    path = output / f"{SHARD}.tar"
    data = bytearray(path.read_bytes())
    place = data.find(b"-000001.tokens.npy") // 512 * 512 + 640
    data[place : place + 40 : 2] = bytes(20)
    path.write_bytes(data)
    (fault,) = faults(output)
    assert ": block shards_the-stack_python-00000-0123abcd-000001, bytes " in fault
    assert "its checksum is" in fault


@pytest.mark.parametrize(
    ("size", "what"),
    [
        (0, "ends at byte 0, in the header"),
        (100, "ends at byte 100, in the header of"),
        (-700, "ends at byte"),
        (-1024, "the zeros at the end"),
        (-512, "the zeros at the end"),
    ],
)
def test_a_shard_that_was_cut_is_named_with_the_byte(output, size, what):
    path = output / f"{SHARD}.tar"
    cut(path, size if size >= 0 else path.stat().st_size + size)
    (fault,) = faults(output)
    assert fault.startswith(str(path))
    assert what in fault
    assert "shards.parquet says" in fault


def test_a_shard_cut_between_two_members_is_named(output):
    path = output / f"{SHARD}.tar"
    member = path.read_bytes().find(b"shards_the-stack_python-00000-0123abcd-000002.offsets")
    cut(path, member)
    (fault,) = faults(output)
    assert f"ends at byte {member}, in the header of" in fault


def test_a_longer_shard_is_named(output):
    path = output / f"{SHARD}.tar"
    path.write_bytes(path.read_bytes() + b"x")
    assert "goes on after byte" in faults(output)[0]


def test_swapped_shards_are_named(output):
    one = output / f"{SHARD}.tar"
    other = output / f"{SHARD.replace('00000', '00001')}.tar"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    result = faults(output)
    assert len(result) == 2
    assert all("shards were swapped" in fault for fault in result)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (f"{SHARD}.tar", "the shard is missing"),
        (f"{SHARD}.tar.idx", "there is no such file"),
        (f"{SHARD}.parquet", "the table of documents is missing"),
        ("tokenize-small/tokenizer.json", "the file is missing"),
        ("tokenize-small/shards.parquet", "there is no such file"),
        ("tokenize-small/blocks.bin", "the file is missing"),
        ("license_filter/parts.parquet", "the file is missing"),
    ],
)
def test_a_missing_file_is_named(output, name, what):
    (output / name).unlink()
    result = faults(output)
    assert any(str(output / name) in fault and what in fault for fault in result)


@pytest.mark.parametrize("pattern", ["*/documents/*", "*/decisions/*", "*/duplicates/*"])
@pytest.mark.parametrize("harm", ["remove", "flip", "cut"])
def test_every_file_of_a_part_is_checked(output, pattern, harm):
    path = sorted(output.glob(pattern))[0]
    {"remove": path.unlink, "flip": lambda: flip(path, 60), "cut": lambda: cut(path, 200)}[harm]()
    assert any(str(path) in fault for fault in faults(output))


def test_an_index_of_another_run_is_named(output):
    path = output / f"{SHARD}.tar.idx"
    shutil.copy(output / f"{SHARD.replace('00000', '00001')}.tar.idx", path)
    (fault,) = faults(output)
    assert fault.startswith(f"{path}: byte ")


def test_a_table_of_another_shard_is_named(output):
    path = output / f"{SHARD}.parquet"
    shutil.copy(output / f"{SHARD.replace('00000', '00001')}.parquet", path)
    (fault,) = faults(output)
    assert fault.startswith(f"{path}: its SHA-256")


def test_a_block_table_of_another_run_is_named_and_shards_are_still_checked(output):
    path = output / "tokenize-small/blocks.bin"
    flip(path, 24 * 5 + 20)
    flip(output / f"{SHARD}.tar", 3000)
    result = verify(load_chain(str(output)))
    assert len(result.faults) == 2
    assert any(fault.startswith(f"{path}: its SHA-256") for fault in result.faults)
    assert any("the recorded one" in fault and SHARD in fault for fault in result.faults)
    assert "shards are checked, but not their blocks" in result.notes[0]


def test_a_tokenizer_that_did_not_encode_the_shards_is_named(output):
    directory = str(output / "tokenize-small")
    manifest = load_manifest(directory)
    tables = manifest.tables | {"tokenizer.json": "0" * 64}
    save_manifest(directory, manifest.model_copy(update={"tables": tables}))
    result = faults(directory)
    assert any("tokenizer.sha256 is not the one of tokenizer.json in tables" in f for f in result)


def test_a_manifest_edited_by_hand_is_refused(output):
    path = output / "dedup/manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"scope":"all"', b'"scope":"any"'))
    (fault,) = faults(output)
    assert "is not the one that" in fault


def test_a_parent_that_is_not_here_is_a_note(output):
    shutil.rmtree(output / "license_filter")
    result = verify(load_chain(str(output)))
    assert result.faults == []
    assert "the job before is not here" in result.notes[0]


def test_jobs_that_do_not_fit_together_are_named(output):
    directory = str(output / "dedup")
    manifest = load_manifest(directory)
    funnel = {"the-stack": manifest.funnel["the-stack"]}
    left = funnel["the-stack"].values()
    names = ("documents_in", "bytes_in", "documents", "bytes")
    sums = {name: sum(getattr(item, name) for item in left) for name in names}
    totals = manifest.totals.model_copy(update=sums)
    save_manifest(directory, manifest.model_copy(update={"funnel": funnel, "totals": totals}))
    result = faults(directory)
    assert any("funnel.the-pile.the-pile/wikipedia-en.documents_in is 0" in f for f in result)
    assert any("funnel is not the sum of its receipts" in f for f in result)


def test_a_job_without_parts_was_not_cleaned_away(output):
    directory = output / "license_filter"
    table = pq.read_table(directory / "parts.parquet")
    pq.write_table(table.slice(0, 0), directory / "parts.parquet")
    assert not [note for note in verify(load_chain(str(directory))).notes if "cleaned away" in note]


def test_a_store_is_not_asked_for_one_part_after_another(output, monkeypatch):
    asked = []

    def noted(request, url):
        if threading.current_thread() is threading.main_thread():
            asked.append(url.removeprefix(f"{output}/"))
        return request(url)

    for name in ("exists", "size", "read_if_exists"):
        monkeypatch.setattr(files, name, partial(noted, getattr(files, name)))
    chain = load_chain(str(output))
    assert verify(chain).faults == []
    of_parts = re.compile(".*/(documents|decisions|duplicates|receipts|shards|heldout)/.*")
    assert [url for url in asked if of_parts.fullmatch(url)] == []


def test_receipts_of_other_runs_do_not_matter(output):
    directory = str(output / "license_filter")
    (name,) = [p.stem for p in sorted(output.glob("license_filter/receipts/*"))][:1]
    receipt = load_receipt(directory, name)
    assert receipt
    save_receipt(directory, receipt.model_copy(update={"name": "0" * 32, "digest": "8" * 64}))
    assert faults(output) == []


def test_a_part_without_a_receipt_is_named(output):
    sorted(output.glob("dedup/receipts/*"))[0].unlink()
    assert "has no receipt" in faults(output)[0]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"row": (1, 0)}, "entry 1 does not come after the row before it"),
        ({"row": (1, 6)}, "entry 1 does not come after the row before it"),
        ({"row": (-1, 4_000_000)}, "is beyond the part's last document"),
        ({"kept_row": (0, 4_000_000)}, "entry 0 is a duplicate of a document that is not there"),
        ({"kept_part": (0, 77)}, "entry 0 is a duplicate of a document that is not there"),
        ({"kept_row": (0, 13)}, "entry 0 is a duplicate of a document that is itself removed"),
        ({"id": (1, bytes(16))}, "entry 1 has another id than in"),
    ],
)
def test_duplicates_are_checked_row_by_row(output, columns, what):
    path = max(output.glob("dedup/duplicates/*"), key=lambda path: path.stat().st_size)
    rewrite(path, **columns)
    assert any(fault.startswith(str(path)) and what in fault for fault in faults(output))


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"kept": (0, False)}, "row 0: a rule is for rejected rows"),
        ({"rule": (0, "odd")}, "row 0: a rule is for rejected rows"),
        ({"id": (0, bytes(16))}, "its kept rows are not the rows of"),
    ],
)
def test_decisions_are_checked_against_documents(output, columns, what):
    path = sorted(output.glob("license_filter/decisions/*"))[0]
    rewrite(path, **columns)
    assert any(fault.startswith(str(path)) and what in fault for fault in faults(output))


def damage_table(output: Path, column: str, row: int, value: int) -> str:
    """Change a document's row in a table beside a shard, and every digest above it."""
    path = output / f"{SHARD}.parquet"
    rewrite(path, **{column: (row, value)})
    return str(path)


@pytest.mark.parametrize(("column", "value"), [("block", 0), ("start", 999), ("tokens", 1)])
def test_places_of_documents_are_those_of_the_shard(output, column, value):
    from manifests.dataset.shard_index import read_shard_rows
    from manifests.shards.block_table import read_blocks
    from manifests.verify.shard import check_shard
    from manifests.verify.side_files import check_documents

    dataset = str(output / "tokenize-small")
    rows = read_shard_rows(dataset, load_manifest(dataset))
    number = next(i for i, row in enumerate(rows) if SHARD.endswith(row.shard[:-4]))
    table = read_blocks(f"{dataset}/blocks.bin")
    selected = table[table["shard"] == number]
    starts = check_shard(str(output / f"{SHARD}.tar"), rows[number], selected, "uint16", 400)
    path = damage_table(output, column, 5, value)
    row = rows[number].model_copy(update={"table_sha256": files.sha256(path)})
    with pytest.raises(Exception, match=f"row 5: {column} is {value}, in the shard it is"):
        check_documents(path, row, starts)


def test_ids_beyond_the_vocabulary_are_named(output):
    from manifests.dataset.shard_index import read_shard_rows
    from manifests.shards.block_table import read_blocks
    from manifests.verify.shard import check_shard

    dataset = str(output / "tokenize-small")
    row = read_shard_rows(dataset, load_manifest(dataset))[0]
    table = read_blocks(f"{dataset}/blocks.bin")
    with pytest.raises(Exception, match=r"byte \d+, in .*tokens.npy: the id \d+ is not below"):
        check_shard(f"{dataset}/{row.shard}", row, table[table["shard"] == 0], "uint16", 40)


def test_a_shard_that_agrees_with_the_block_table_must_still_be_the_one_that_was_written(output):
    from manifests.dataset.shard_index import read_shard_rows
    from manifests.shards.block_table import read_blocks
    from manifests.verify.shard import check_shard

    dataset = str(output / "tokenize-small")
    row = read_shard_rows(dataset, load_manifest(dataset))[0]
    table = read_blocks(f"{dataset}/blocks.bin")
    selected, other = table[table["shard"] == 0], row.model_copy(update={"sha256": "0" * 64})
    check_shard(f"{dataset}/{row.shard}", row, selected, "uint16", 400)
    with pytest.raises(DataError, match=r"its SHA-256 is not the one in shards\.parquet, though"):
        check_shard(f"{dataset}/{row.shard}", other, selected, "uint16", 400)


def test_the_answer_is_plain_json(output):
    assert json.loads(json.dumps(verify(load_chain(str(output))).plain()))["tokens"] > 0


def test_keys_that_two_shards_share_are_named(tmp_path, make_dataset, monkeypatch):
    monkeypatch.setattr(writer, "_key", lambda path: "same")
    (fault,) = faults(make_dataset(tmp_path, {"s/c": ["x", "y"]}))
    assert re.search(r"c-0000\d-0123abcd\.tar: its keys start with same, like those of shar", fault)
