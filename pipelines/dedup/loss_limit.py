"""What stops a deduplication: a rule that removes too much of a source as copies within it.

Losses to another source are no fault (StarCoderData is nearly all in The Stack): the manifest
counts them by pair of sources.
"""

from collections.abc import Iterable
from typing import Any

from manifests.console import formatting
from manifests.errors import DataError
from manifests.lineage.receipts import Receipt, merge_funnels

LARGEST = 3
"""Clusters that the sentence names."""


def check_losses(receipts: Iterable[Receipt], most: float, directory: str) -> None:
    """Stop where a rule removes more than a share of a source as copies of its own documents.

    Args:
        receipts: of duplicates/.
        most: the share of a source's documents.
        directory: dedup/, to say where to look.

    Raises:
        DataError: it says what was found, and how to allow it.
    """
    receipts = list(receipts)
    funnel = merge_funnels(receipt.funnel for receipt in receipts)
    for source, components in funnel.items():
        came = sum(each.documents_in for each in components.values())
        mine = [receipt for receipt in receipts if source in receipt.funnel]
        for rule, removed in sorted(_within(mine).items()):
            if removed > most * came:
                raise DataError(
                    f"{directory}: rule {rule} removes {formatting.count(removed)} of the "
                    f"{formatting.plural(came, 'document')} of {source} "
                    f"({formatting.share(removed, came)}) as copies of others in the same source, "
                    f"more than dedup.max_removed = {most:g} allows; the largest clusters: "
                    f"{_named(mine)} (every one is in {directory}/duplicates). If that is right, "
                    "raise max_removed and run again: nothing is done twice"
                )


def _within(receipts: list[Receipt]) -> dict[str, int]:
    total: dict[str, int] = {}
    for receipt in receipts:
        for rule, removed in receipt.extra["within"].items():
            total[rule] = total.get(rule, 0) + removed
    return total


def _named(receipts: list[Receipt]) -> str:
    found: set[tuple[Any, ...]] = {tuple(each) for r in receipts for each in r.extra["largest"]}
    largest = sorted(found, key=lambda each: (-each[0], each[1]))[:LARGEST]
    return ", ".join(f"{formatting.count(size)} like {kept}" for size, kept in largest)
