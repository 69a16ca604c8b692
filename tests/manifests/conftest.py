"""Datasets of which only the manifest is there, for mixtures; and a whole output, to look into."""

import hashlib
import shutil

import pytest

from manifests.control import Control
from manifests.manifest import ComponentTotals, Manifest, TokenizerRecord, Totals, save_manifest
from manifests.receipts import ComponentFunnel
from tests.outputs import write_output

CONTROL = Control(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)


def write_manifest(
    directory, tokens, heldout=None, tokenizer="1" * 64, kinds=None, partitions=None
):
    """Save the manifest of made-up components, of 100 documents each; return its directory."""
    sources = {name.split("/")[0] for name in tokens}
    about = {
        source: {
            "kind": (kinds or {}).get(source, source),
            "partition_by": (partitions or {}).get(source, []),
        }
        for source in sources
    }
    components, held = (
        {
            name: ComponentTotals(
                documents=100,
                tokens=count - 100,
                bytes=count,
                shards=1,
                blocks=1,
                digest=hashlib.sha256(f"{name} {count}".encode()).hexdigest(),
            )
            for name, count in part.items()
        }
        for part in (tokens, heldout or {})
    )
    everything = [*components.values(), *held.values()]
    total = {
        "documents": sum(c.documents for c in everything),
        "tokens": sum(c.tokens for c in everything),
        "bytes": sum(c.bytes for c in everything),
    }
    funnel = ComponentFunnel(documents_in=total["documents"], bytes_in=total["bytes"], **total)
    manifest = Manifest(
        step="tokenize",
        digest="0" * 64,
        config={},
        totals=Totals(
            documents_in=total["documents"],
            bytes_in=total["bytes"],
            shards=len(everything),
            blocks=len(everything),
            **total,
        ),
        funnel={"all": {"all": funnel}},
        tokenizer=TokenizerRecord(
            sha256=tokenizer, vocabulary=CONTROL.vocabulary, dtype="uint16", control=CONTROL
        ),
        components=components,
        heldout_components=held,
        extra={"sources": about} if kinds or partitions else {},
    )
    save_manifest(str(directory), manifest)
    return str(directory)


@pytest.fixture(scope="session")
def made_up_dataset():
    """`made_up_dataset(directory, {component: addresses}, heldout, tokenizer) -> directory`."""
    return write_manifest


@pytest.fixture(scope="session")
def output_made_once(tmp_path_factory, small_tokenizer):
    """The original of `output`: to be read, not changed."""
    directory = tmp_path_factory.mktemp("output") / "out"
    write_output(directory, small_tokenizer)
    return directory


@pytest.fixture
def output(tmp_path, output_made_once):
    """out/ of three finished jobs over two sources, the test's own copy."""
    directory = tmp_path / "out"
    shutil.copytree(output_made_once, directory)
    return directory
