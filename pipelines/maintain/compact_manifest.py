"""Make the manifest of a compacted dataset from the manifest of the original."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence

from manifests.dataset.dataset import Dataset
from manifests.dataset.writer import DatasetSummary
from manifests.io import files
from manifests.lineage.manifest import ComponentTotals, Manifest, Parent, manifest_digest
from manifests.lineage.receipts import ComponentFunnel, Count, Receipt
from pipelines.preparation import totals_of

KEY = "compact"
"""Key in the manifest's `extra`: the tombstones that were applied, and what they removed."""

RULE = "forgotten"
"""The rule of the funnel that counts forgotten documents."""

Gone = Mapping[tuple[str, bool], Counter[str]]
"""(component, heldout) -> forgotten documents, tokens and bytes."""


def make_manifest(
    dataset: Dataset,
    out: str,
    job_digest: str,
    receipts: Sequence[Receipt],
    summary: DatasetSummary,
    table: str,
) -> Manifest:
    """Return the manifest of a compacted dataset.

    Args:
        dataset: the original dataset; its manifest becomes the parent.
        out: the directory of the compacted dataset, which holds tokenizer.json.
        job_digest: the digest of the step.
        receipts: the receipts of all original shards.
        summary: the result of `finish_dataset`.
        table: the name of the table of parts.
    """
    old = dataset.manifest
    gone: dict[tuple[str, bool], Counter[str]] = {}
    for receipt in receipts:
        name, heldout = receipt.extra["component"]
        gone.setdefault((name, heldout), Counter()).update(receipt.extra["gone"])
    funnel = {
        source: {name: _less(kept, name, gone) for name, kept in components.items()}
        for source, components in old.funnel.items()
    }
    sums = sum(gone.values(), Counter[str]())
    url = files.join(out, dataset.tokenizer.file)
    local = files.is_local(out) and files.is_local(dataset.directory)
    path = os.path.relpath(dataset.directory, out) if local else dataset.directory
    return Manifest(
        step="tokenize",
        digest=job_digest,
        config=old.config,
        parent=Parent(path=path, digest=manifest_digest(dataset.directory)),
        totals=totals_of(funnel, len(receipts), **summary.sizes),
        funnel=funnel,
        tables={
            **summary.tables,
            dataset.tokenizer.file: files.sha256(url),
            table: files.sha256(files.join(out, table)),
        },
        tokenizer=old.tokenizer,
        components=_sized(summary.components, old.components, gone, False),
        heldout_components=_sized(summary.heldout_components, old.heldout_components, gone, True),
        extra={
            **old.extra,
            KEY: {
                "tombstones": list(dataset.tombstones.names),
                "gone": {name: sums[name] for name in ("documents", "tokens", "bytes")},
            },
        },
    )


def _less(before: ComponentFunnel, name: str, gone: Gone) -> ComponentFunnel:
    """Return the funnel of a component without its forgotten documents."""
    lost = gone.get((name, False), Counter()) + gone.get((name, True), Counter())
    text = min(lost["bytes"], before.bytes)
    count = Count(documents=lost["documents"], bytes=text)
    return ComponentFunnel(
        documents_in=before.documents,
        bytes_in=before.bytes,
        rejected={RULE: count} if count.documents else {},
        documents=before.documents - count.documents,
        bytes=before.bytes - text,
        tokens=None if before.tokens is None else before.tokens - lost["tokens"],
    )


def _sized(
    new: Mapping[str, ComponentTotals],
    old: Mapping[str, ComponentTotals],
    gone: Gone,
    heldout: bool,
) -> dict[str, ComponentTotals]:
    """Return totals with bytes of text, which only the original manifest knows."""
    return {
        name: totals.model_copy(
            update={"bytes": max(0, old[name].bytes - gone[name, heldout]["bytes"])}
        )
        for name, totals in new.items()
    }
