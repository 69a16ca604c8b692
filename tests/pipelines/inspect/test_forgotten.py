"""What those who look into a dataset are told of what is forgotten, and what they no longer see."""

import numpy as np
import pytest

from manifests.dataset.dataset import Dataset
from manifests.dataset.tombstone_file import FOLDER
from manifests.errors import UsageError
from manifests.lineage.chain import load_chain
from manifests.verify.verify import verify
from pipelines.inspect import attribution, document, forgotten, locate, summary
from pipelines.inspect.forgotten import forgotten_ids, sentence
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


def test_inspect_and_report_say_how_much(chain, output_made_once):
    told = forgotten.summary(chain)
    counted = len(Dataset.open(chain.last.directory).component("the-stack/python").forgotten)
    heldout = Dataset.open(chain.last.directory).component("the-stack/python", heldout=True)
    assert told["documents"] == counted + len(heldout.forgotten) > 0
    assert summary.inspect(chain)["forgotten"] == told
    assert len(told["tombstones"]) == 1
    assert "forgotten  " in printed(summary.render(chain), 200)
    assert "Forgotten: " in report(chain)
    plain = load_chain(str(output_made_once))
    assert sentence(plain) is None
    assert forgotten.summary(plain)["documents"] == 0
    assert "orgotten" not in printed(summary.render(plain), 200)


def test_show_names_the_entry_and_no_text(chain, gone):
    told = document.show(chain, gone["id"].hex())
    assert told["forgotten"]
    assert (told["text"], told["text_from"]) == (None, None)
    assert told["shards"][0]["forgotten"] == [f"repository {GONE}"]
    shown = printed(document.render(told), 200)
    assert f"forgotten    repository {GONE}" in shown
    assert "its text is not shown" in shown


def test_where_names_the_entry(chain, gone):
    found = locate.where(chain, gone["id"].hex())
    assert [row["forgotten"] for row in found] == [[f"repository {GONE}"]]
    row = found[0]
    back = locate.where(chain, f"{row['shard']}:{row['block']}:{row['start']}")
    assert (back[0]["id"], back[0]["forgotten"]) == (row["id"], row["forgotten"])
    assert "forgotten     repository" in printed(locate.render(found), 200)
    kept = Dataset.open(chain.last.directory).component("the-stack/c").origin(0)
    assert locate.where(chain, kept["id"].hex())[0]["forgotten"] == []


def test_attribution_and_samples_leave_them_out(chain, gone, output_made_once):
    def named(of):
        told = attribution.attribution(of)
        return {name for each in told["licenses"].values() for name in each}

    assert GONE in named(load_chain(str(output_made_once)))
    assert GONE not in named(chain)
    ids = forgotten_ids(chain)
    assert gone["id"] in ids
    sampled = survey(chain).samples
    assert sampled
    assert not {bytes.fromhex(each.origin["id"]) for each in sampled} & ids


def test_verify_checks_tombstones(chain, output):
    assert verify(chain).faults == []
    (path,) = (output / "tokenize-small" / FOLDER).iterdir()
    path.write_bytes(path.read_bytes() + b" ")
    faults = verify(chain).faults
    assert len(faults) == 1
    assert "is not what its name says" in faults[0]


def test_a_chain_without_shards(output):
    dedup = load_chain(str(output / "dedup"))
    assert forgotten.summary(dedup)["documents"] == 0
    assert forgotten_ids(dedup) == frozenset()
    with pytest.raises(UsageError, match="has no shards"):
        locate.where(dedup, "x")
    assert np.isfinite(verify(dedup).bytes)
