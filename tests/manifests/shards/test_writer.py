"""The shard format: what is written is what is read, by us and by plain webdataset."""

import io
import itertools
import tarfile

import numpy as np
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.shards.block_table import opens_inside
from manifests.shards.reader import BlockReader, FileHandlePool, ShardFile
from manifests.shards.scan import scan_shard
from manifests.shards.writer import BLOCK_TOKENS, ShardWriter, npy_header

BLOCK = 8
LENGTHS = st.one_of(st.integers(0, 5), st.integers(6, 3 * BLOCK), st.just(BLOCK), st.just(0))


def documents_of(lengths, dtype="uint16", seed=0):
    generator = np.random.default_rng(seed)
    limit = np.iinfo(dtype).max
    return [generator.integers(0, limit, n, dtype=dtype, endpoint=True) for n in lengths]


def write(path, documents, dtype="uint16", block_tokens=BLOCK):
    with ShardWriter(str(path), "shards_c-00000-abcd", dtype, block_tokens) as writer:
        places = [writer.add(document) for document in documents]
    return writer.close(), places


def reader_of(path, summary, dtype="uint16"):
    shard = ShardFile(str(path), summary.bytes)
    return BlockReader(summary.table, [shard], dtype, FileHandlePool())


def read(reader, table):
    """Put documents together again from offsets, tokens and the table, as the format says."""
    documents, piece = [], []
    for block in range(len(table)):
        offsets = reader.offsets(block).tolist()
        tokens = reader.tokens(block, 0, offsets[-1]).tolist()
        starts = [0, *offsets] if offsets[0] > 0 else offsets
        parts = [tokens[a:b] for a, b in itertools.pairwise(starts)]
        ended = int(table["documents"][block])
        assert ended in (len(parts), len(parts) - 1)
        for number, part in enumerate(parts):
            piece += part
            if number < ended:
                documents.append(piece)
                piece = []
    assert not piece
    return documents


@settings(deadline=None, max_examples=60)
@given(st.lists(LENGTHS, max_size=12), st.sampled_from(["uint16", "uint32"]))
def test_round_trip(tmp_path_factory, lengths, dtype):
    path = tmp_path_factory.mktemp("shard") / "a.tar"
    documents = documents_of(lengths, dtype)
    summary, places = write(path, documents, dtype)
    reader = reader_of(path, summary, dtype)
    assert read(reader, summary.table) == [document.tolist() for document in documents]
    for document, (block, start) in zip(documents, places, strict=True):
        stop = min(start + len(document), int(summary.table["tokens"][block]))
        assert reader.tokens(block, start, stop).tolist() == document[: stop - start].tolist()
    assert summary.documents == len(lengths)
    assert summary.tokens == sum(lengths)
    assert summary.bytes == path.stat().st_size
    assert summary.sha256 == files.sha256(str(path))


@settings(deadline=None, max_examples=40)
@given(st.lists(LENGTHS, max_size=12))
def test_the_table_is_rebuilt_from_the_tar(tmp_path_factory, lengths):
    path = tmp_path_factory.mktemp("shard") / "a.tar"
    summary, _ = write(path, documents_of(lengths))
    assert np.array_equal(scan_shard(str(path), "uint16"), summary.table)


@settings(deadline=None, max_examples=25)
@given(st.lists(LENGTHS, max_size=12))
def test_the_same_documents_give_the_same_bytes(tmp_path_factory, lengths):
    folder = tmp_path_factory.mktemp("shard")
    for name in ("a.tar", "b.tar"):
        write(folder / name, documents_of(lengths))
    assert (folder / "a.tar").read_bytes() == (folder / "b.tar").read_bytes()
    assert (folder / "a.tar.idx").read_bytes() == (folder / "b.tar.idx").read_bytes()


def test_blocks_are_whole_documents_up_to_their_limit(tmp_path):
    summary, places = write(tmp_path / "a.tar", documents_of([5, 3, 1, 20, 2, 8, 0]))
    assert summary.table["tokens"].tolist() == [8, 1, 8, 8, 6, 8]
    assert summary.table["documents"].tolist() == [2, 1, 0, 0, 2, 2]
    assert places == [(0, 0), (0, 5), (1, 0), (2, 0), (4, 4), (5, 0), (5, 8)]
    inside = [opens_inside(summary.table, block) for block in range(6)]
    assert inside == [False, False, False, True, True, False]


def test_many_empty_documents_do_not_make_an_endless_block(tmp_path):
    summary, _ = write(tmp_path / "a.tar", documents_of([0] * (2 * BLOCK + 1)))
    assert summary.table["documents"].tolist() == [BLOCK, BLOCK, 1]


def test_the_tar_is_plain_ustar_aligned_to_64_bytes(tmp_path):
    summary, _ = write(tmp_path / "a.tar", documents_of([5, 3, 20]))
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = tar.getmembers()
        last = tar.offset
    whole = (tmp_path / "a.tar").read_bytes()
    arrays = [np.load(io.BytesIO(whole[m.offset_data : m.offset_data + m.size])) for m in members]
    names = [member.name for member in members]
    assert names == sorted(names)
    assert names[:2] == [f"shards_c-00000-abcd-000000.{kind}.npy" for kind in ("offsets", "tokens")]
    assert {m.mtime for m in members} == {0}
    assert all((m.offset_data + 128) % 64 == 0 for m in members)
    assert [m.offset_data + 128 for m in members[1::2]] == summary.table["data_offset"].tolist()
    assert [array.dtype for array in arrays[:2]] == [np.uint32, np.uint16]
    index = np.fromfile(tmp_path / "a.tar.idx", dtype="<u8")
    assert index.tolist() == [*(m.offset for m in members[::2]), last]
    assert whole[257:265] == b"ustar\x0000"


@pytest.mark.parametrize("count", [0, 7, 1 << 18, 10**12])
def test_npy_headers_are_numpys_own(count):
    written = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(written, header)
    assert npy_header("<u2", count) == written.getvalue()


def test_plain_webdataset_reads_it(tmp_path):
    documents = documents_of([5, 3, 20, 0, 2])
    summary, _ = write(tmp_path / "a.tar", documents)
    samples = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode())
    assert len(samples) == summary.blocks
    tokens = np.concatenate([sample["tokens.npy"] for sample in samples])
    assert np.array_equal(tokens, np.concatenate(documents))
    assert samples[0]["offsets.npy"].tolist() == [0, 5, 8]


def test_tokens_are_views_of_what_was_read(tmp_path):
    summary, _ = write(tmp_path / "a.tar", documents_of([5]))
    tokens = reader_of(tmp_path / "a.tar", summary).tokens(0, 1, 4)
    assert not tokens.flags.owndata
    assert not tokens.flags.writeable


def test_a_token_that_does_not_fit_leaves_no_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.tar: a token does not fit uint16"):
        write(tmp_path / "a.tar", [np.array([65_536])])
    with pytest.raises(DataError, match="does not fit"):
        write(tmp_path / "a.tar", [np.array([-1])])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["", "a.b", "a/b", "x" * 81])
def test_keys_are_fit_for_every_reader(tmp_path, prefix):
    with pytest.raises(UsageError, match="cannot be a key"):
        ShardWriter(str(tmp_path / "a.tar"), prefix, "uint16")


def test_tokens_are_16_or_32_bits(tmp_path):
    with pytest.raises(UsageError, match="uint16 or uint32"):
        ShardWriter(str(tmp_path / "a.tar"), "a", "int64")


def test_an_empty_shard_is_a_whole_one(tmp_path):
    summary, _ = write(tmp_path / "a.tar", [])
    assert (summary.blocks, summary.documents, summary.tokens) == (0, 0, 0)
    assert len(scan_shard(str(tmp_path / "a.tar"), "uint16")) == 0


def test_the_overhead_is_small_at_the_real_block_size(tmp_path):
    documents = documents_of([1200] * 500)
    summary, _ = write(tmp_path / "a.tar", documents, block_tokens=BLOCK_TOKENS)
    assert summary.bytes / summary.tokens < 2.05


def test_every_flipped_byte_of_a_payload_is_found_by_the_reader(tmp_path):
    path = tmp_path / "a.tar"
    summary, _ = write(path, documents_of([5, 3, 20]))
    whole = path.read_bytes()
    for block, at in enumerate(summary.table["data_offset"].tolist()):
        damaged = bytearray(whole)
        damaged[at + 3] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"a\.tar: block {block}, at byte \d+: its checksum"):
            reader_of(path, summary).tokens(block, 0, 1)


def test_every_flipped_byte_is_found_by_the_scan(tmp_path):
    path = tmp_path / "a.tar"
    summary, _ = write(path, documents_of([5, 3, 20]))
    whole = path.read_bytes()
    for at in range(0, len(whole), 41):
        damaged = bytearray(whole)
        damaged[at] ^= 16
        path.write_bytes(damaged)
        try:
            result = scan_shard(str(path), "uint16")
        except DataError as fault:
            assert "a.tar" in str(fault)
            continue
        key_is_all_that_changed = at < 100
        assert key_is_all_that_changed or not np.array_equal(result, summary.table)


def test_a_cut_is_found_by_the_scan_wherever_it_is(tmp_path):
    path = tmp_path / "a.tar"
    write(path, documents_of([5, 3, 20]))
    whole = path.read_bytes()
    for length in range(0, len(whole), 64):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.tar"):
            scan_shard(str(path), "uint16")
