"""Keys and tokens in texts: formats that services publish, and strings assigned to telling names.

StarCoder's preparation ran detect-secrets with 18 detectors, without the detectors of keywords,
basic authentication and private keys, and a trained model that detects gibberish (bigcode-dataset
pii/utils/keys_detection.py). This module has the formats of those detectors that identify a secret
by itself, and the entropy limits for quoted strings (4.5 bits a character, 3.0 for hexadecimal
digits). In place of the model, a quoted string must be assigned to a name such as "token".
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

SERVICES = (
    r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}\b",  # AWS
    r"\bgh[opsur]_[A-Za-z0-9_]{36}\b",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{82}\b",
    r"\bglpat-[A-Za-z0-9_-]{20}\b",  # GitLab
    r"\bxox[abeoprs]-(?:\d+-)*[A-Za-z0-9]{10,}\b",  # Slack
    r"https://hooks\.slack\.com/services/T[A-Za-z0-9_]+/B[A-Za-z0-9_]+/[A-Za-z0-9_]+",
    r"\b[rs]k_live_[0-9a-zA-Z]{24,}\b",  # Stripe
    r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b",  # SendGrid
    r"\b(?:AC|SK)[0-9a-f]{32}\b",  # Twilio
    r"\bnpm_[A-Za-z0-9]{36}\b",  # npm
    r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{70,}",  # PyPI
    r"\b[0-9a-f]{32}-us[0-9]{1,2}\b",  # Mailchimp
    r"\b[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}\b",  # Discord
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",  # JSON web tokens
    r"AccountKey=[A-Za-z0-9+/=]{88}",  # Azure storage
    r"\bAKC[A-Za-z0-9]{60,}\b",  # Artifactory
)

NAMED = (
    r"(?i:key|token|secret|passw(?:or)?d|auth|credential)[A-Za-z0-9_.-]{0,30}[\"']?\]?"
    r"[ \t]{0,4}[:=]>?[ \t]{0,4}[\"']([A-Za-z0-9+/=_-]{20,200})[\"']"
)
"""A quoted string of 20 to 200 characters, assigned to the name of a secret."""

ANY_SERVICE = "|".join(SERVICES)
"""Valid for RE2 and for Python, as NAMED: the patterns have no lookaround."""

_SERVICE = re.compile(ANY_SERVICE)
_NAMED = re.compile(NAMED)

BASE64_BITS = 4.5
HEX_BITS = 3.0


def tokens(text: str) -> Iterator[tuple[int, int]]:
    """Yield spans of secrets in the formats of SERVICES."""
    for match in _SERVICE.finditer(text):
        yield match.span()


def named_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yield spans of random strings that are assigned to the name of a secret."""
    for match in _NAMED.finditer(text):
        if _is_random(match[1]):
            yield match.span(1)


def _is_random(value: str) -> bool:
    """Return whether the entropy of a string reaches its limit."""
    digits = re.fullmatch("[0-9a-fA-F]+", value) is not None
    return entropy(value) >= (HEX_BITS if digits else BASE64_BITS)


def entropy(value: str) -> float:
    """Return Shannon's entropy of a string's characters, in bits a character."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
