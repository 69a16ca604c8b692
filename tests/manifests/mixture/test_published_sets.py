"""Missing sets of published data sets, and their shares."""

import pytest

from manifests.components import table
from manifests.mixture.published_sets import published_sets, sentence


def missing(name: str, components: list[str]):
    sets = published_sets(name)
    assert sets is not None
    return sets.missing(components)


def test_the_sets_of_the_pile_are_those_of_the_table_of_epochs():
    sets = published_sets("the-pile")
    assert sets is not None and sets.shares.keys() == table().pile_epochs.keys()
    assert sum(share or 0 for share in sets.shares.values()) == pytest.approx(1)
    # Gao et al. 2020, Table 1, the column Weight, in its order.
    assert [round(100 * (share or 0), 2) for share in sets.shares.values()] == [
        *[18.11, 14.40, 12.07, 10.01, 8.96, 7.59, 6.12, 5.13, 3.65, 3.07, 2.17],
        *[1.55, 1.53, 1.24, 0.88, 0.75, 0.73, 0.62, 0.60, 0.38, 0.30, 0.14],
    ]


def test_no_set_is_missing_where_every_set_has_a_component():
    sets = published_sets("the-pile")
    assert (
        sets is not None and missing("the-pile", [f"{name}--mit" for name in sets.shares]) is None
    )


def test_subsets_of_starcoderdata_are_recognized_by_their_first_words():
    gap = missing("starcoderdata", ["python", "github-issues-filtered-structured"])
    assert gap is not None and gap["sets"] == ["git-commits", "jupyter"]
    assert gap["share"] == pytest.approx((32 + 13) / 783)
    names = ["git-commits-cleaned", "jupyter-scripts-dedup-filtered", "github-issues", "c"]
    assert missing("starcoderdata", names) is None


def test_shares_that_are_not_published_are_not_made_up():
    gap = missing("codegen2", ["c", "python", "java-server-pages"])
    assert gap is not None and gap["share"] is None and len(gap["sets"]) == 17
    assert "17 of the 19 sets of CodeGen2's part of The Stack (" in sentence(gap)
    assert "(the model card of Salesforce/codegen2-7B_P) are missing: " in sentence(gap)
