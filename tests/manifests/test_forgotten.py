"""What those who look into a dataset are told of what is forgotten, and what they no longer see."""

import numpy as np
import pytest

from manifests import attribution, inspect, show, where
from manifests.chain import load_chain
from manifests.dataset import Dataset
from manifests.errors import BadCall
from manifests.forgotten import forgotten_ids, sentence, summary
from manifests.report import report
from manifests.survey import survey
from manifests.tombstone_file import FOLDER
from manifests.verify import verify
from pipelines.forget import Asked, forget
from tests.outputs import printed

GONE = "owner/python-1"


@pytest.fixture
def chain(output, tmp_path):
    (tmp_path / "list").write_text(GONE)
    forget(str(output / "tokenize-small"), Asked.of([str(tmp_path / "list")]))
    return load_chain(str(output))


@pytest.fixture
def document(chain):
    """The number and the row of a forgotten document."""
    component = Dataset.open(chain.last.directory).component("the-stack/python")
    return component.origin(int(component.forgotten[0]))


def test_inspect_and_report_say_how_much(chain, output_made_once):
    told = summary(chain)
    counted = len(Dataset.open(chain.last.directory).component("the-stack/python").forgotten)
    heldout = Dataset.open(chain.last.directory).component("the-stack/python", heldout=True)
    assert told["documents"] == counted + len(heldout.forgotten) > 0
    assert inspect.inspect(chain)["forgotten"] == told
    assert len(told["tombstones"]) == 1
    assert "forgotten  " in printed(inspect.render(chain), 200)
    assert "Forgotten: " in report(chain)
    plain = load_chain(str(output_made_once))
    assert sentence(plain) is None
    assert summary(plain)["documents"] == 0
    assert "orgotten" not in printed(inspect.render(plain), 200)


def test_show_names_the_entry_and_no_text(chain, document):
    told = show.show(chain, document["id"].hex())
    assert told["forgotten"]
    assert (told["text"], told["text_from"]) == (None, None)
    assert told["shards"][0]["forgotten"] == [f"repository {GONE}"]
    shown = printed(show.render(told), 200)
    assert f"forgotten    repository {GONE}" in shown
    assert "its text is not shown" in shown


def test_where_names_the_entry(chain, document):
    found = where.where(chain, document["id"].hex())
    assert [row["forgotten"] for row in found] == [[f"repository {GONE}"]]
    row = found[0]
    back = where.where(chain, f"{row['shard']}:{row['block']}:{row['start']}")
    assert (back[0]["id"], back[0]["forgotten"]) == (row["id"], row["forgotten"])
    assert "forgotten     repository" in printed(where.render(found), 200)
    kept = Dataset.open(chain.last.directory).component("the-stack/c").origin(0)
    assert where.where(chain, kept["id"].hex())[0]["forgotten"] == []


def test_attribution_and_samples_leave_them_out(chain, document, output_made_once):
    def named(of):
        told = attribution.attribution(of)
        return {name for each in told["licenses"].values() for name in each}

    assert GONE in named(load_chain(str(output_made_once)))
    assert GONE not in named(chain)
    gone = forgotten_ids(chain)
    assert document["id"] in gone
    sampled = survey(chain).samples
    assert sampled
    assert not {bytes.fromhex(each.origin["id"]) for each in sampled} & gone


def test_verify_checks_tombstones(chain, output):
    assert verify(chain).faults == []
    (path,) = (output / "tokenize-small" / FOLDER).iterdir()
    path.write_bytes(path.read_bytes() + b" ")
    faults = verify(chain).faults
    assert len(faults) == 1
    assert "is not what its name says" in faults[0]


def test_a_chain_without_shards(output):
    dedup = load_chain(str(output / "dedup"))
    assert summary(dedup)["documents"] == 0
    assert forgotten_ids(dedup) == frozenset()
    with pytest.raises(BadCall, match="has no shards"):
        where.where(dedup, "x")
    assert np.isfinite(verify(dedup).bytes)
