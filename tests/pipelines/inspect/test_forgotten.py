"""Inspection counts forgotten documents, and no longer shows their texts."""

import numpy as np
import pytest

from manifests.dataset.dataset import Dataset
from manifests.dataset.tombstone_file import FOLDER
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from manifests.verify.verify import verify
from pipelines.inspect import attribution, document, locate, summary
from pipelines.inspect.forgotten import forgotten_ids, forgotten_sentence, forgotten_totals
from pipelines.inspect.survey import survey
from pipelines.maintain.forget import ForgetRequest, forget
from pipelines.report.page import report
from tests.outputs import printed

GONE = "owner/python-1"


@pytest.fixture
def chain(output, tmp_path):
    (tmp_path / "list").write_text(GONE)
    forget(str(output / "tokenize-small"), ForgetRequest.of([str(tmp_path / "list")]))
    return load_chain(str(output))


@pytest.fixture
def gone(chain):
    """The number and the row of a forgotten document."""
    component = Dataset.open(chain.last.directory).component("the-stack/python")
    return component.origin(int(component.forgotten[0]))


def test_inspect_and_report_count_forgotten_documents(chain, output_made_once):
    result = forgotten_totals(chain)
    counted = len(Dataset.open(chain.last.directory).component("the-stack/python").forgotten)
    heldout = Dataset.open(chain.last.directory).component("the-stack/python", heldout=True)
    assert result["documents"] == counted + len(heldout.forgotten) > 0
    assert summary.summarize(chain)["forgotten"] == result
    assert len(result["tombstones"]) == 1
    assert "forgotten  " in printed(summary.render_summary(chain), 200)
    assert "Forgotten: " in report(chain)
    plain = load_chain(str(output_made_once))
    assert forgotten_sentence(plain) is None
    assert forgotten_totals(plain)["documents"] == 0
    assert "orgotten" not in printed(summary.render_summary(plain), 200)


def test_show_has_the_entry_and_not_the_text(chain, gone):
    result = document.describe_document(chain, gone["id"].hex())
    assert result["forgotten"]
    assert (result["text"], result["text_from"]) == (None, None)
    assert result["shards"][0]["forgotten"] == [f"repository {GONE}"]
    shown = printed(document.render_document(result), 200)
    assert f"forgotten    repository {GONE}" in shown
    assert "its text is not shown" in shown


def test_locate_names_the_entry(chain, gone):
    result = locate.locate(chain, gone["id"].hex())
    assert [stored.forgotten for stored in result] == [[f"repository {GONE}"]]
    row = result[0]
    back = locate.locate(chain, f"{row.shard}:{row.block}:{row.start}")
    assert back == result[:1]
    assert "forgotten     repository" in printed(locate.render_locations(result), 200)
    kept = Dataset.open(chain.last.directory).component("the-stack/c").origin(0)
    assert locate.locate(chain, kept["id"].hex())[0].forgotten == []


def test_attribution_and_samples_leave_forgotten_documents_out(chain, gone, output_made_once):
    def named(of):
        result = attribution.attribution(of)
        return {name for names in result["licenses"].values() for name in names}

    assert GONE in named(load_chain(str(output_made_once)))
    assert GONE not in named(chain)
    ids = forgotten_ids(chain)
    assert gone["id"] in ids
    sampled = survey(chain).samples
    assert sampled
    assert not {bytes.fromhex(sample.origin["id"]) for sample in sampled} & ids


def test_verify_checks_tombstones(chain, output):
    assert verify(chain).faults == []
    (path,) = (output / "tokenize-small" / FOLDER).iterdir()
    path.write_bytes(path.read_bytes() + b" ")
    faults = verify(chain).faults
    assert len(faults) == 1
    assert "its SHA-256 is not its name" in faults[0]


def test_a_chain_without_shards_forgets_nothing(output):
    dedup = load_chain(str(output / "dedup"))
    assert forgotten_totals(dedup)["documents"] == 0
    assert forgotten_ids(dedup) == frozenset()
    with pytest.raises(UsageError, match="has no shards"):
        locate.locate(dedup, "x")
    assert np.isfinite(verify(dedup).bytes)
