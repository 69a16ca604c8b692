import shutil

import pytest

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.chain import flows, load_chain
from manifests.lineage.manifest import load_manifest, save_manifest


@pytest.mark.parametrize("name", ["", "tokenize-small", "tokenize-small/"])
def test_an_output_means_its_last_job(output, name):
    chain = load_chain(f"{output}/{name}")
    assert [link.manifest.step for link in chain.links] == ["license_filter", "dedup", "tokenize"]
    assert chain.missing is None


def test_a_step_ends_the_chain(output):
    chain = load_chain(str(output / "dedup"))
    assert [link.manifest.step for link in chain.links] == ["license_filter", "dedup"]


def test_an_output_that_is_half_done_means_what_is_done(output):
    (output / "tokenize-small/manifest.json").unlink()
    assert load_chain(str(output)).last.manifest.step == "dedup"


def test_several_tokenizers_must_be_told_apart(output):
    shutil.copytree(output / "tokenize-small", output / "tokenize-other")
    with pytest.raises(UsageError, match=r"name .*tokenize-other or .*tokenize-small"):
        load_chain(str(output))
    assert load_chain(str(output / "tokenize-other")).last.manifest.step == "tokenize"


def test_a_parent_that_is_elsewhere_is_told(output, tmp_path):
    copy = tmp_path / "alone"
    shutil.copytree(output / "tokenize-small", copy)
    chain = load_chain(str(copy))
    assert len(chain.links) == 1
    assert not chain.broken
    assert "not here" in (chain.missing or "")


def test_a_parent_that_changed_is_told(output):
    manifest = load_manifest(str(output / "dedup"))
    save_manifest(str(output / "dedup"), manifest.model_copy(update={"config": {"other": 1}}))
    chain = load_chain(str(output))
    assert chain.broken
    assert "is not the one that" in (chain.missing or "")


def test_what_is_no_dataset_is_told(output, tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        load_chain(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is not a dataset"):
        load_chain(str(tmp_path / "empty"))
    for step in ("license_filter", "dedup", "tokenize-small"):
        (output / step / "manifest.json").unlink()
    with pytest.raises(DataError, match="has not ended"):
        load_chain(str(output))
    with pytest.raises(DataError, match="has not ended"):
        load_chain(str(output / "dedup"))


def test_a_newer_version_is_refused(output):
    path = str(output / "tokenize-small/manifest.json")
    text = files.read_bytes(path).replace(b'"version":1', b'"version":9')
    files.write_bytes(path, text)
    with pytest.raises(DataError, match="has version 9"):
        load_chain(str(output))


def test_flows_follow_a_component_through_every_step(output):
    flow = flows(load_chain(str(output)))["the-stack/python"]
    assert flow.incoming.documents == 40
    taken = sum(flow.lost(step).documents for step in ("license_filter", "dedup", "tokenize"))
    assert flow.incoming.documents == flow.kept.documents + taken
    assert set(flow.rejected) == {"license_filter", "dedup"}
    assert flow.tokens
