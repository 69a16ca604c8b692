"""The check that ends a deduplication: no rule removes too much of a source as its own copies.

Losses to another source are expected (StarCoderData is nearly all in The Stack). The manifest
counts them by pair of sources.
"""

from collections import Counter
from collections.abc import Sequence

from manifests.console import formatting
from manifests.errors import DataError
from manifests.lineage.receipts import Receipt, merge_funnels
from pipelines.dedup.duplicates import LARGEST


def check_losses(receipts: Sequence[Receipt], limit: float, directory: str) -> None:
    """Check that no rule removes more than a share of a source as copies of its own documents.

    Args:
        receipts: of duplicates/.
        limit: largest share of the documents of a source.
        directory: dedup/, for the message.

    Raises:
        DataError: a rule removes more. The message says how to allow it.
    """
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    for source, components in funnel.items():
        documents = sum(component.documents_in for component in components.values())
        of_source = [receipt for receipt in receipts if source in receipt.funnel]
        removed = sum((Counter(receipt.extra["within"]) for receipt in of_source), Counter[str]())
        for rule, count in sorted(removed.items()):
            if count > limit * documents:
                raise DataError(
                    f"{directory}: rule {rule} removes {formatting.count(count)} of the "
                    f"{formatting.plural(documents, 'document')} of {source} "
                    f"({formatting.share(count, documents)}) as copies within the same source, "
                    f"more than dedup.max_removed = {limit:g} allows; the largest clusters: "
                    f"{_largest_clusters(of_source)} (all are in {directory}/duplicates). If this "
                    "is intended, raise max_removed and run again; finished work is kept"
                )


def _largest_clusters(receipts: Sequence[Receipt]) -> str:
    """Return the sizes of the largest clusters and the ids of their kept documents, as text."""
    clusters = {(size, kept) for receipt in receipts for size, kept in receipt.extra["largest"]}
    largest = sorted(clusters, key=lambda cluster: (-cluster[0], cluster[1]))[:LARGEST]
    return ", ".join(f"{formatting.count(size)} like {kept}" for size, kept in largest)
