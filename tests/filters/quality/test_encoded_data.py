import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from filters.quality.encoded_data import encoded_data, encoded_run, encoded_share
from filters.quality.registry import apply, settings
from tests.filters.quality.batches import make_batch

PATTERNS = [
    re.compile(rb"[a-zA-Z0-9+/\n=]{64,}"),
    re.compile(rb"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}"),
    re.compile(rb"(?:\\u[0-9a-fA-F]{4}){8,}"),
]

pieces = st.sampled_from(
    ["0x1f", "0xFF,", "\\xab", "ab", " ", ",", "\n", "\\u00e9", "\\u", "a" * 63, "b" * 64, "é", "0"]
)
texts = st.lists(pieces | st.text("aB9_ ,x0\\u=", max_size=5), max_size=60).map("".join)


def by_regex(text):
    spans = sorted(m.span() for pattern in PATTERNS for m in pattern.finditer(text.encode()))
    longest = covered = reached = 0
    for start, stop in spans:
        longest = max(longest, stop - start)
        covered += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return longest, covered


@given(st.lists(texts, min_size=1, max_size=3))
def test_matches_are_those_of_the_published_patterns(texts):
    result = encoded_data(make_batch(texts))
    for i, text in enumerate(texts):
        assert (result.longest[i], result.covered[i]) == by_regex(text)


def test_overlapping_matches_count_once():
    pairs = "ab\n" * 30
    result = encoded_data(make_batch([pairs, pairs + "-" + pairs]))
    assert list(result.longest) == [90, 90] and list(result.covered) == [90, 180]


def test_long_matches_and_large_shares_are_rejected():
    code = "int f(int x) { return x + 1; }\n" * 60
    data = base64.b64encode(bytes(range(256)) * 4).decode()
    table = "\n".join(" 0x12, 0x34, 0x56, 0x78," for _ in range(40))
    short = base64.b64encode(bytes(200)).decode()
    given = make_batch([code, code + data, table, code + short])
    outcome = apply(settings(None), given)
    assert list(outcome.rule) == [None, "max_line_length", None, None]
    lax = settings({"max_mean_line_length": False, "max_line_length": False})
    assert list(apply(lax, given).rule) == [None, "max_encoded_run", None, None]
    assert encoded_share(given)[2] == 0 and encoded_run(given)[3] == 269
    commas = "\n".join("0x12,0x34,0x56,0x78," for _ in range(20))
    assert list(apply(settings(None), make_batch([commas])).rule) == [None]
    packed = make_batch([",".join(["0x12"] * 20) + ","])
    assert list(apply(settings(None), packed).rule) == ["max_encoded_share"]


def test_the_shortest_matches_are_found_at_either_end():
    eight = ["ab " * 7 + "ab", "0xab," * 7 + "0xab", "\\u00e9" * 8, "a" * 64]
    texts = [
        before + text + after for text in eight for before in ("", "--") for after in ("", "--")
    ]
    result = encoded_data(make_batch(texts))
    assert [(int(a), int(b)) for a, b in zip(*result, strict=True)] == list(map(by_regex, texts))
    assert all(result.longest > 0)
    assert not any(encoded_data(make_batch([text[:-1] for text in eight])).longest)
