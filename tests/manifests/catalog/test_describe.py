"""README.md and croissant.json of a dataset."""

import json
from pathlib import Path

import mlcroissant
import pytest
import yaml

from manifests.catalog import licenses
from manifests.catalog.describe import describe
from manifests.dataset.dataset import Dataset
from manifests.lineage.manifest import load_manifest, manifest_schema

SCHEMA = Path(__file__).parents[3] / "manifests" / "lineage" / "tables" / "manifest.schema.json"
LICENSES = {"MIT": 5, "Apache-2.0 OR MIT": 2, "": 3, "GPL-2.0-only WITH Classpath-exception-2.0": 1}


def written(directory, overwrite=True, counted=LICENSES):
    describe(directory, load_manifest(directory), counted, overwrite)
    return [Path(directory, name).read_text() for name in ("README.md", "croissant.json")]


def header(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_validator_accepts_croissant_and_reads_its_records(small_dataset):
    written(small_dataset)
    dataset = mlcroissant.Dataset(f"{small_dataset}/croissant.json")
    assert not dataset.metadata.issues.errors
    assert (
        len(dataset.metadata.issues.warnings) <= 2
    )  # publisher and date are left to the publisher
    shards = list(dataset.records("shards"))
    assert sum(row["shards/tokens"] for row in shards) == sum(
        row["tokens"] for row in Dataset.open(small_dataset).shards.to_pylist()
    )
    documents = list(dataset.records("documents"))
    assert len(documents) == load_manifest(small_dataset).totals.documents
    assert {row["documents/license"] for row in documents} == {b"MIT", None}


def test_croissant_names_licenses_by_their_pages_and_tables_by_their_digests(small_dataset):
    croissant = json.loads(written(small_dataset)[1])
    assert croissant["license"] == [
        f"https://spdx.org/licenses/{name}.html" for name in ("Apache-2.0", "GPL-2.0-only", "MIT")
    ]
    tables = load_manifest(small_dataset).tables
    objects = {item["@id"]: item.get("sha256") for item in croissant["distribution"]}
    assert objects["shards.parquet"] == tables["shards.parquet"]
    assert objects["tars"] is None


def test_the_card_says_licenses_languages_size_and_configs(small_dataset):
    card = written(small_dataset)[0]
    metadata = header(card)
    assert metadata["license"] == ["apache-2.0", "gpl-2.0", "mit"]
    assert metadata["language"] == ["code", "en"]
    assert metadata["size_categories"] == ["n<1K"]
    configs = {item["config_name"]: item["data_files"] for item in metadata["configs"]}
    assert list(configs) == [
        "all",
        *("the-pile--wikipedia-en", "the-stack--cpp"),
        "the-stack--python",
    ]
    assert [item["split"] for item in configs["the-stack--python"]] == ["train", "validation"]
    assert "| none known | 3 |" in card
    assert "16,425 | 2 | 994 |" in card


def test_equal_datasets_are_described_by_equal_bytes(small_dataset):
    turned = dict(reversed(LICENSES.items()))
    assert written(small_dataset) == written(small_dataset, counted=turned)


def test_an_edited_card_is_kept_until_the_data_changes(small_dataset):
    card = Path(small_dataset, "README.md")
    card.write_text("ours")
    assert written(small_dataset, overwrite=False)[0] == "ours"
    assert written(small_dataset)[0] != "ours"


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ([], ["other"]),
        (["MIT"], ["mit"]),
        (["(MIT OR Apache-2.0) AND LicenseRef-scancode-x", ""], ["apache-2.0", "mit", "other"]),
        (["LGPL-2.1-or-later WITH some-exception"], ["lgpl-2.1"]),
    ],
)
def test_licenses_get_the_hubs_names(expressions, names):
    assert licenses.hub_names(expressions) == names


def test_the_published_schema_is_current():
    again = "python scripts/manifest_schema.py"
    assert json.loads(SCHEMA.read_text()) == manifest_schema(), f"write it again: {again}"


def test_the_published_schema_accepts_manifests_and_refuses_others(output_made_once):
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for path in output_made_once.glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        assert not list(check.iter_errors(manifest))
        for harm in ({"step": "mix"}, {"seal": "0"}, {"more": 1}, {"totals": {"tokens": -1}}):
            assert list(check.iter_errors(manifest | harm))


def test_stray_files_are_not_listed_as_shards(small_dataset):
    """As after another config: what it made lies there until `clean`."""
    stray = Path(small_dataset, "shards/the-stack/python-00000-ffffffff.tar")
    whole = written(small_dataset)
    stray.with_suffix(".parquet").write_bytes(b"another table")
    Path(small_dataset, "shards/the-stack", f".a.tar.{'0' * 32}.tmp").write_bytes(b"begun")
    stray.write_bytes(b"another shard")
    card, croissant = written(small_dataset)
    shards = Dataset.open(small_dataset).shards["shard"].to_pylist()
    metadata = {item["config_name"]: item["data_files"] for item in header(card)["configs"]}
    train = [path for path in shards if path.startswith("shards/")]
    assert metadata["all"] == [{"split": "train", "path": train}]
    python = [path for path in train if "/python-" in path]
    assert metadata["the-stack--python"][0] == {"split": "train", "path": python}
    assert metadata["the-stack--cpp"][0]["path"] == "shards/the-stack/cpp-[0-9]*.tar"
    sets = [item for item in json.loads(croissant)["distribution"] if "includes" in item]
    assert [item["includes"] for item in sets] == [
        shards,
        [path.replace(".tar", ".parquet") for path in shards],
    ]
    records = mlcroissant.Dataset(f"{small_dataset}/croissant.json").records("documents")
    assert len(list(records)) == load_manifest(small_dataset).totals.documents
    stray.unlink()
    stray.with_suffix(".parquet").unlink()
    assert written(small_dataset) == whole
