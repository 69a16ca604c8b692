"""manifest.json: round trip, and every way in which it can lie."""

import json

import pytest
from pydantic import ValidationError

from manifests.errors import DataError
from manifests.io import files
from manifests.lineage.manifest import (
    Manifest,
    Totals,
    load_manifest,
    manifest_digest,
    manifest_schema,
    save_manifest,
)
from manifests.lineage.receipts import ComponentFunnel


def manifest(**changes):
    funnel = {"s": {"s/c": ComponentFunnel(documents_in=3, bytes_in=30, documents=3, bytes=30)}}
    fields = {
        "step": "license_filter",
        "digest": "d",
        "config": {"policy": "strict"},
        "totals": Totals(documents_in=3, bytes_in=30, documents=3, bytes=30),
        "funnel": funnel,
    }
    return Manifest(**{**fields, **changes})


def edit(directory, **changes):
    url = files.join(directory, "manifest.json")
    content = json.loads(files.read_bytes(url))
    files.write_json(url, {**content, **changes})


def test_round_trip_and_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_manifest(str(tmp_path / name), manifest())
    assert load_manifest(str(tmp_path / "a")) == manifest()
    assert manifest_digest(str(tmp_path / "a")) == manifest_digest(str(tmp_path / "b"))
    assert manifest_digest(str(tmp_path / "a")) == files.sha256(str(tmp_path / "a/manifest.json"))


def test_a_dataset_manifest_round_trips(small_dataset, tmp_path):
    loaded = load_manifest(small_dataset)
    save_manifest(str(tmp_path), loaded)
    assert manifest_digest(str(tmp_path)) == manifest_digest(small_dataset)
    python = loaded.components["the-stack/python"]
    assert python.addresses == python.tokens + python.documents


def test_a_newer_version_is_refused(tmp_path):
    save_manifest(str(tmp_path), manifest())
    edit(str(tmp_path), version=2, invented_later=True)
    with pytest.raises(DataError, match=r"manifest\.json: has version 2; this program reads up"):
        load_manifest(str(tmp_path))


def test_an_edit_by_hand_is_noticed(tmp_path):
    save_manifest(str(tmp_path), manifest())
    edit(str(tmp_path), config={"policy": "lax"})
    with pytest.raises(DataError, match="seal does not match"):
        load_manifest(str(tmp_path))
    edit(str(tmp_path), seal=None)
    with pytest.raises(DataError, match="seal does not match"):
        load_manifest(str(tmp_path))


def test_an_unknown_field_is_named(tmp_path):
    save_manifest(str(tmp_path), manifest())
    edit(str(tmp_path), tokeniser={})
    with pytest.raises(DataError, match=r"manifest\.json: tokeniser"):
        load_manifest(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"version": "1"}'])
def test_what_is_no_manifest_is_named(tmp_path, content):
    files.write_bytes(str(tmp_path / "manifest.json"), content)
    with pytest.raises(DataError, match=r"manifest\.json: "):
        load_manifest(str(tmp_path))


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.json: there is no such file"):
        load_manifest(str(tmp_path))


@pytest.mark.parametrize("field", ["documents_in", "bytes_in", "documents", "bytes"])
def test_totals_are_the_sum_of_the_funnel(field):
    with pytest.raises(ValidationError, match=rf"totals\.{field} is 4"):
        totals = manifest().totals.model_copy(update={field: 4})
        manifest(totals=totals)


@pytest.mark.parametrize("field", ["tokens", "shards", "blocks"])
def test_totals_are_the_sum_of_the_components(small_dataset, field):
    loaded = load_manifest(small_dataset)
    totals = loaded.totals.model_copy(update={field: 1})
    with pytest.raises(ValidationError, match=rf"totals\.{field} is 1"):
        Manifest(**{**loaded.model_dump(), "totals": totals.model_dump()})


def test_a_dataset_without_a_tokenizer_is_refused(small_dataset):
    loaded = load_manifest(small_dataset)
    with pytest.raises(ValidationError, match="tokenizer is missing"):
        Manifest(**{**loaded.model_dump(), "tokenizer": None})


def test_the_published_schema_speaks_of_every_field(small_dataset):
    schema = manifest_schema()
    content = json.loads(files.read_bytes(files.join(small_dataset, "manifest.json")))
    assert set(content) == set(schema["properties"])
    assert {"version", "seal", "totals", "funnel"} <= set(schema["required"])
    assert "SHA-256" in schema["properties"]["tables"]["description"]
