"""Receipts: what makes a part done, and the folds over them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.receipts import (
    ComponentFunnel,
    Count,
    Funnel,
    Receipt,
    file_record,
    load_receipt,
    merge_funnels,
    receipt_names,
    receipt_url,
    save_receipt,
    whole_receipt,
)

COUNTS = st.builds(Count, documents=st.integers(0, 9), bytes=st.integers(0, 99))


@st.composite
def funnels(draw):
    funnel: Funnel = {}
    for source in draw(st.sets(st.sampled_from(["a", "b"]))):
        for slug in draw(st.sets(st.sampled_from(["c", "python"]))):
            rejected = draw(st.dictionaries(st.sampled_from(["license", "exact"]), COUNTS))
            kept = draw(st.integers(0, 9))
            funnel.setdefault(source, {})[f"{source}/{slug}"] = ComponentFunnel(
                documents_in=kept + sum(count.documents for count in rejected.values()),
                bytes_in=draw(st.integers(0, 99)),
                rejected=rejected,
                documents=kept,
                bytes=draw(st.integers(0, 99)),
                tokens=draw(st.none() | st.integers(0, 99)),
            )
    return funnel


def receipt(**fields):
    return Receipt(name="0" * 32, step="tokenize", digest="f" * 64, **fields)


def test_a_receipt_comes_back_as_it_was(tmp_path):
    directory = str(tmp_path)
    funnel = {"s": {"s/c": ComponentFunnel(documents_in=2, rejected={"exact": Count(documents=2)})}}
    written = receipt(counts={"timeouts": 1, "rows": {"null": 2}}, funnel=funnel, last=False)
    assert load_receipt(directory, written.name) is None
    save_receipt(directory, written)
    assert load_receipt(directory, written.name) == written
    assert receipt_names(directory) == [written.name]


def test_equal_receipts_have_equal_bytes(tmp_path):
    for folder, counts in (("a", {"x": 1, "y": 2}), ("b", {"y": 2, "x": 1})):
        save_receipt(str(tmp_path / folder), receipt(counts=counts))
    first, second = (
        files.read_bytes(receipt_url(str(tmp_path / folder), "0" * 32)) for folder in "ab"
    )
    assert first == second


def test_a_part_is_whole_while_its_files_have_their_sizes(tmp_path):
    directory = str(tmp_path)
    files.write_bytes(files.join(directory, "documents/a.parquet"), b"12345")
    record = {"documents/a.parquet": file_record(directory, "documents/a.parquet")}
    written = receipt(files=record)
    assert whole_receipt(directory, written.name) is None
    save_receipt(directory, written)
    assert record["documents/a.parquet"].bytes == 5
    assert whole_receipt(directory, written.name) == written
    files.write_bytes(files.join(directory, "documents/a.parquet"), b"1234")
    assert whole_receipt(directory, written.name) is None
    files.remove(files.join(directory, "documents/a.parquet"))
    assert whole_receipt(directory, written.name) is None


@pytest.mark.parametrize("bytes_written", [0, 1, 40, -1])
def test_a_receipt_that_is_not_written_to_its_end_counts_as_none(tmp_path, bytes_written):
    directory = str(tmp_path)
    save_receipt(directory, receipt())
    url = receipt_url(directory, receipt().name)
    files.write_bytes(url, files.read_bytes(url)[:bytes_written])
    assert load_receipt(directory, receipt().name) is None


@pytest.mark.parametrize("content", [b"[1]\n", b'{"name": "x"}\n'])
def test_a_broken_receipt_is_named(tmp_path, content):
    files.write_bytes(receipt_url(str(tmp_path), "part"), content)
    with pytest.raises(DataError, match=r"receipts/part\.json: is not a receipt"):
        load_receipt(str(tmp_path), "part")


def test_a_receipt_of_another_name_or_version_is_refused(tmp_path):
    content = receipt().model_dump(mode="json")
    files.write_json(receipt_url(str(tmp_path), "part"), content)
    with pytest.raises(DataError, match="name is '0000"):
        load_receipt(str(tmp_path), "part")
    files.write_json(receipt_url(str(tmp_path), "part"), {**content, "version": 99})
    with pytest.raises(DataError, match="version 99"):
        load_receipt(str(tmp_path), "part")


@given(st.lists(funnels(), max_size=5))
def test_funnels_add_up_in_any_order_and_grouping(parts):
    total = merge_funnels(parts)
    shuffled = random.Random(0).sample(parts, len(parts))
    assert merge_funnels(shuffled) == total
    half = len(parts) // 2
    assert merge_funnels([merge_funnels(parts[:half]), merge_funnels(parts[half:])]) == total
    assert sum(c.documents for s in total.values() for c in s.values()) == sum(
        c.documents for part in parts for s in part.values() for c in s.values()
    )


def test_nothing_disappears_silently():
    with pytest.raises(ValidationError, match="5 documents came in"):
        ComponentFunnel(documents_in=5, documents=3, rejected={"exact": Count(documents=1)})
