import pytest

from manifests.errors import DataError
from manifests.lineage.receipts import ComponentFunnel, Count, Receipt
from pipelines.dedup.loss_limit import check_losses


def receipt(source: str, documents: int, within: int, largest: list[tuple[int, str]]) -> Receipt:
    """Return the receipt of a part that loses documents by rule exact, some to its own source."""
    removed = Count(documents=documents // 2)
    funnel = ComponentFunnel(
        documents_in=documents,
        rejected={"exact": removed},
        documents=documents - removed.documents,
    )
    extra = {"within": {"exact": within} if within else {}, "largest": largest}
    return Receipt(
        name="a",
        step="duplicates",
        digest="0",
        funnel={source: {f"{source}/python": funnel}},
        extra=extra,
    )


PARTS = [
    receipt("a", 10, 3, [(3, "aa"), (2, "cc")]),
    receipt("a", 10, 5, [(9, "bb"), (2, "dd"), (3, "aa")]),
    receipt("b", 10, 0, [(99, "ee")]),
]


def test_a_rule_may_remove_as_much_as_the_limit() -> None:
    check_losses(PARTS, 8 / 20, "dedup")
    with pytest.raises(
        DataError, match=r"rule exact removes 8 of the 20 documents of a \(40.0 %\)"
    ):
        check_losses(PARTS, 7.9 / 20, "dedup")


def test_the_message_names_the_three_largest_clusters_of_the_source() -> None:
    with pytest.raises(DataError, match="the largest clusters: 9 like bb, 3 like aa, 2 like cc "):
        check_losses(PARTS, 0.1, "dedup")


def test_losses_to_other_sources_have_no_limit() -> None:
    check_losses(PARTS[2:], 0, "dedup")
