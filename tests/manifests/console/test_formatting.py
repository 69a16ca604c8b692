import pytest

from manifests.console import formatting


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (9_999, "9,999"), (12_345, "12.3 thousand"), (1_234_567, "1.23 million")],
)
def test_short_counts_have_three_digits(number, written):
    assert formatting.short_count(number) == written


@pytest.mark.parametrize(
    ("number", "written"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (2.5e12, "2.50 TB")]
)
def test_sizes_are_in_powers_of_1000(number, written):
    assert formatting.size(number) == written


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [
        (0, 0, "-"),
        (0, 5, "0.0 %"),
        (1, 3, "33.3 %"),
        (1, 10**6, "< 0.1 %"),
        (10**6 - 1, 10**6, "> 99.9 %"),
        (7, 7, "100.0 %"),
    ],
)
def test_a_share_never_rounds_something_to_nothing_nor_most_to_all(part, whole, written):
    assert formatting.share(part, whole) == written


def test_nouns_follow_their_number():
    assert formatting.plural(1, "shard") == "1 shard"
    assert formatting.plural(2000, "shard") == "2,000 shards"
