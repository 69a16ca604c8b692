from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.redaction import IPV4, IPV6, SCANS, redact, redact_text
from filters.secrets import entropy

PUBLIC = "93.184.216.34"
JWT = "eyJhbGciOiJIUzI1NiJ9x.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpM"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("# Jane Doe <jane.doe@mail.example.org>\n", "# Jane Doe <<EMAIL>>\n"),
        ("jane@example.com,joe@example.com", "<EMAIL>,<EMAIL>"),
        ("mailto:jane+x@example.co.uk.", "mailto:<EMAIL>."),
        ("jürgen@example.de", "<EMAIL>"),
        ("@decorator\ndef f(a@b): x @ y.z", None),
        ("user@localhost", None),
        ("a@1.2", None),
        (f"AKIA{'ABCDEFGH' * 2} is a key", "<KEY> is a key"),
        (f"ghp_{'a1B2' * 9}", "<KEY>"),
        (f"x = '{JWT}'", "x = '<KEY>'"),
        ('api_key = "q8Zr1xVw0pLk3TnY5sBd7Gf"', 'api_key = "<KEY>"'),
        ("'secret': '0f1e2d3c4b5a69788796a5b4c3d2e1f0'", "'secret': '<KEY>'"),
        ('api_key = "your-api-key-goes-here"', None),
        ('sha = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"', None),
        ("127.0.0.1 192.168.1.1 8.8.8.8 10.0.0.1", None),
        ("version 1.2.3.4", None),
        ("300.1.1.1 and 01.02.03.04", None),
        ("::1 fe80::1 12:34:56 aa:bb:cc:dd:ee:ff a::b", None),
    ],
)
def test_personal_data_is_replaced(text, after):
    assert redact_text(text)[0] == (after or text)
    assert redact(pa.array([text], pa.large_string())).texts.to_pylist() == [after or text]


@pytest.mark.parametrize("address", [PUBLIC, "2a00:1450:4001:82a::200e", "2a00:1450::"])
def test_an_address_always_becomes_the_same_private_address(address):
    after, result = redact_text(f"ping {address} and ({address})")
    first, second = after.removeprefix("ping ").split(" and ")
    assert f"({first})" == second and first in IPV4 + IPV6 and result == {"ip_address": 2}
    assert redact_text(after) == (after, {})


def test_one_digit_versions_are_addresses_near_a_server():
    assert redact_text("the DNS at 4.3.2.9")[1] == {"ip_address": 1}


def test_replacements_are_counted_and_other_texts_are_unchanged():
    texts = pa.array(["nothing", None, f"a@b.org a@b.org {PUBLIC}", ""], pa.large_string())
    redacted = redact(texts)
    assert redacted.counts == {"email": 2, "key": 0, "ip_address": 1, "documents": 1}
    assert redacted.texts.type == texts.type
    assert redacted.texts.to_pylist()[:2] == ["nothing", None]
    plain = pa.chunked_array([["nothing"], ["at all"]], pa.large_string())
    assert redact(plain).texts.to_pylist() == ["nothing", "at all"]


pieces = st.lists(
    st.sampled_from(["@", "a", "b.org", " ", ":", "::", "1", "2a00", ".", "key", "='", "'", "9é"])
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@given(pieces)
def test_hints_select_every_text_with_personal_data(text):
    assert redact(pa.array([text], pa.large_string())).texts.to_pylist() == [redact_text(text)[0]]


@pytest.mark.parametrize(
    ("piece", "addresses"),
    [("a.b@", 0), ("1:2:3:4:", 25_000), ("key_", 0), ("eyJ", 0), ("1.1.", 0)],
)
def test_long_hostile_lines_end_soon(piece, addresses):
    """What took time quadratic in such a line would not end."""
    line = piece * 50_000
    after, result = redact_text(f"{line} jane@example.com")
    assert after.endswith(" <EMAIL>")
    assert result == Counter(email=1, ip_address=addresses)
    assert addresses or after == f"{line} <EMAIL>"


def test_entropy_is_in_bits_a_character():
    assert entropy("aaaa") == 0 and entropy("abcd") == 2
    assert len({scan.hint for scan in SCANS}) == len(SCANS)
