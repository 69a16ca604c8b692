from filters.licenses.pile_sets import pile_sets, set_finding
from filters.licenses.spdx import parse
from manifests.components import table


def test_all_22_sets_have_a_reason():
    assert set(pile_sets()) == set(table().pile_epochs)
    assert len(pile_sets()) == 22
    assert all(entry.reason for entry in pile_sets().values())
    assert all(parse(entry.license) is not None for entry in pile_sets().values() if entry.license)


def test_clear_sets_allow_and_all_others_are_unknown():
    assert set_finding("wikipedia-en") == ("source", "allow", "CC-BY-SA-3.0")
    assert set_finding("books3") == ("source", "unknown", None)
    assert set_finding("made-up") == ("source", "unknown", None)
