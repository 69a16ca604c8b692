"""Sentences about an output that its numbers alone do not say."""

from collections.abc import Iterator, Sequence

from manifests.console import formatting
from manifests.lineage.manifest import HELDOUT, Manifest
from manifests.mixture.published_sets import MissingSets, sentence, sets_of_source


def notes(manifests: Sequence[Manifest]) -> list[str]:
    """Return sentences about the jobs of an output.

    Args:
        manifests: of some jobs of one output, in their order.
    """
    describe = {"license_filter": _chosen, "dedup": _verified, "tokenize": _nothing_heldout}
    jobs = [note for manifest in manifests for note in describe[manifest.step](manifest)]
    return jobs + [sentence(missing) for missing in missing_sets(manifests)]


def missing_sets(manifests: Sequence[Manifest]) -> list[MissingSets]:
    """Return the sets of sources of which the last job kept no document.

    Args:
        manifests: of the jobs of one output, in their order.
    """
    missing = []
    for source in (source for m in manifests for source in m.config.get("source", ())):
        known = sets_of_source(source["name"], source["kind"], source.get("components"))
        if known is None:
            continue
        counts = manifests[-1].funnel.get(source["name"], {})
        kept = [name.partition("/")[2] for name, count in counts.items() if count.documents]
        if gap := known.missing(kept):
            missing.append(gap)
    return missing


def _chosen(license_filter: Manifest) -> Iterator[str]:
    """Say which repository is held out because the share of [tokenize] selects none."""
    name = license_filter.extra.get(HELDOUT)
    if name is not None:
        yield (
            f"held out for validation: {name}, because the share tokenize.heldout selects none of "
            "the repositories"
        )


def _verified(dedup: Manifest) -> Iterator[str]:
    """Say how many documents are less alike to the kept document than the threshold."""
    counts, profile = dedup.counts.get("verified"), dedup.extra.get("profile")
    if not isinstance(counts, dict) or profile is None:
        return
    threshold = f"{profile['threshold']:g}"
    if below := counts.get("removed_below_threshold", 0):
        yield (
            f"{formatting.plural(below, 'document')} removed although less alike to the document "
            f'that is kept than the threshold {threshold}; dedup.verify = "exact" keeps them'
        )
    if apart := counts.get("kept_apart", 0):
        yield (
            f"{formatting.plural(apart, 'document')} of clusters of duplicates kept: less alike to "
            f"the first document of the cluster than the threshold {threshold}"
        )


def _nothing_heldout(tokenize: Manifest) -> Iterator[str]:
    """Say that validation has no document although a share should be held out."""
    share = tokenize.config.get("tokenize", {}).get("heldout", 0)
    if share and tokenize.components and not tokenize.heldout_components:
        yield (
            "no document is held out for validation: all are of one repository, or those to hold "
            "out were rejected"
        )
