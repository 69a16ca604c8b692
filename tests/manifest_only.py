"""Datasets of which only the manifest is there, for tests of mixtures and plans."""

import hashlib

from manifests.lineage.manifest import (
    ComponentTotals,
    Manifest,
    TokenizerRecord,
    Totals,
    save_manifest,
)
from manifests.lineage.receipts import ComponentFunnel
from manifests.special_tokens import SpecialTokens

CONTROL = SpecialTokens(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)


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
