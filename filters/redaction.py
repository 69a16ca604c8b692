"""Redaction of personal data: e-mail addresses, keys and tokens, IP addresses.

The replacements are BigCode's for StarCoder (bigcode-dataset pii/ner/pii_redaction/utils.py):
<EMAIL>, <KEY>, and one of five private addresses for an IP address. Patterns find the data; there
is no model for names and passwords. Private addresses and popular DNS servers stay. A hash of an
address selects its replacement, so equal texts stay equal.
"""

import hashlib
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters import secrets

VERSION = 1
"""Raised with every change of results; part of the digest of a step."""

EMAIL, KEY, IP_ADDRESS = "email", "key", "ip_address"
KINDS = (EMAIL, KEY, IP_ADDRESS)

IPV4 = ("172.16.31.10", "172.16.58.3", "172.16.17.32", "192.168.127.12", "192.168.3.11")
IPV6 = (
    "fd00:c2b6:b24b:be67:2827:688d:e6a1:6a3b",
    "fd00:a516:7c1b:17cd:6d81:2137:bd2a:2c5b",
    "fc00:e968:6179::de52:7100",
    "fc00:db20:35b:7399::5",
    "fdf8:f53e:61e4::18",
)
# fmt: off
DNS_SERVERS = frozenset((
    "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "76.76.19.19",
    "76.223.122.150", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220",
    "8.26.56.26", "8.20.247.20", "94.140.14.14", "94.140.15.15",
))
# fmt: on
"""Replacements and exceptions (the file named above)."""

EDGE = r"\s@,?!;:)('\".\u4e00-\u9fff"
"""Characters around personal data (bigcode-dataset pii/utils/emails_ip_addresses_detection.py,
Han cut to its main block)."""

_LOCAL = re.compile(rf"(?<![^{EDGE}<])[^\s@?!;,:)('\"<]{{1,64}}\Z")
_DOMAIN = re.compile(rf"[^\s@!?;,/]{{0,250}}[^\s@!?;,/:)('\">.]\.[^\W\d_]\w{{1,62}}(?![^{EDGE}>])")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_IP = re.compile(
    rf"(?<![^{EDGE}])(?:{_OCTET}(?:\.{_OCTET}){{3}}"
    rf"|(?:[0-9a-fA-F]{{0,4}}:){{3,7}}[0-9a-fA-F]{{0,4}})(?![^{EDGE}])"
)
_NEAR = 100
"""Characters around an address in which "dns" or "server" excludes a version number."""


@dataclass(frozen=True)
class Redacted:
    """Texts without personal data.

    Attributes:
        texts: Arrow large_string array [n].
        counts: kind -> number of replacements, and `documents` -> number of changed documents.
    """

    texts: Any
    counts: dict[str, int]


def redact(texts: Any) -> Redacted:
    """Replace personal data in Arrow strings [n]; null stays null.

    A search for hints over the batch selects the texts that are scanned.
    """
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    worth: dict[int, list[Scan]] = {}
    for scan in SCANS:
        mask = pc.fill_null(pc.match_substring_regex(array, scan.hint), False)
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist():
            worth.setdefault(row, []).append(scan)
    counts: Counter[str] = Counter()
    changed: dict[int, str] = {}
    for row, scans in worth.items():
        after, counted = redact_text(array[row].as_py(), scans)
        if counted:
            changed[row] = after
            counts.update(counted)
    if changed:
        values = array.to_pylist()
        for row, text in changed.items():
            values[row] = text
        array = pa.array(values, array.type)
    counts["documents"] = len(changed)
    return Redacted(array, {name: counts[name] for name in (*KINDS, "documents")})


def redact_text(text: str, scans: Sequence["Scan"] | None = None) -> tuple[str, Counter[str]]:
    """Return a text without personal data, and the number of replacements by kind.

    Args:
        text: any text.
        scans: the scans to apply; all scans by default.
    """
    spans = [
        (start, stop, scan.kind)
        for scan in (SCANS if scans is None else scans)
        for start, stop in scan.find(text)
    ]
    counted: Counter[str] = Counter()
    pieces: list[str] = []
    done = 0
    for start, stop, kind in sorted(spans):
        if start >= done:
            pieces += [text[done:start], _replacement(kind, text[start:stop])]
            counted[kind] += 1
            done = stop
    return ("".join([*pieces, text[done:]]), counted) if pieces else (text, counted)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield spans of e-mail addresses; search a bounded distance around each "@"."""
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(0, at - 64), at)
        domain = _DOMAIN.match(text, at + 1, min(len(text), at + 320)) if local else None
        if local and domain:
            yield local.start(), domain.end()
        at = text.find("@", at + 1)


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield spans of public IP addresses."""
    for match in _IP.finditer(text):
        if _is_public(match[0], text[max(0, match.start() - _NEAR) : match.end() + _NEAR]):
            yield match.span()


def _is_public(value: str, context: str) -> bool:
    """Return whether a match is a public IP address and not a version number."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if address.is_private or value in DNS_SERVERS or not re.search(r"\d", value):
        return False
    may_be_version = address.version == 4 and len(value) == len("1.2.3.4")
    return not may_be_version or "dns" in context.lower() or "server" in context.lower()


def _replacement(kind: str, value: str) -> str:
    """Return the replacement of a value."""
    if kind != IP_ADDRESS:
        return f"<{kind.upper()}>"
    choices = IPV6 if ":" in value else IPV4
    return choices[hashlib.blake2b(value.encode(), digest_size=8).digest()[0] % len(choices)]


class Scan(NamedTuple):
    """A search for one kind of personal data.

    Attributes:
        kind: one of KINDS.
        hint: a pattern of RE2; `find` is called only for texts that match.
        find: text -> spans of personal data.
    """

    kind: str
    hint: str
    find: Callable[[str], Iterator[tuple[int, int]]]


SCANS = (
    Scan(EMAIL, r"[^\s@?!;,:)('\"<]@[^\s@!?;,/]+\.[\p{L}\p{N}]", _emails),
    Scan(KEY, secrets.ANY_SERVICE, secrets.tokens),
    Scan(KEY, secrets.NAMED, secrets.named_secrets),
    Scan(
        IP_ADDRESS,
        r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
        r"|[0-9a-fA-F]{1,4}:[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:|::[0-9a-fA-F]{1,4}:",
        _addresses,
    ),
)
"""All scans, in order of precedence."""
