"""License statements of upstream metadata, in the form of SPDX expressions.

Package manifests and debian/copyright can say OR, which a list of licenses cannot:

- Cargo's `MIT/Apache-2.0` is a choice (The Cargo Book, the `license` field).
- Debian's `GPL-2+ or Artistic-2.0, and Expat` has short names of its own, "+" for later versions,
  and a comma before an operator that binds last (copyright-format 1.0, "License specification").
- npm's former `licenses` is a list of objects with a `type`, of which a user chooses one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

CHOICE = re.compile(r"[A-Za-z0-9.+-]+(?:\s*/\s*[A-Za-z0-9.+-]+)+")

LAST = re.compile(r",\s*(and|or)\s+", re.IGNORECASE)
"""Operator that Debian's comma makes the last one to bind."""

NAMES = {
    "expat": "MIT",
    "artistic": "Artistic-1.0",
    "artistic-1": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "apache-1": "Apache-1.0",
    "apache-2": "Apache-2.0",
    "boost-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "mpl-1": "MPL-1.0",
    "mpl-2": "MPL-2.0",
    "zope-2.1": "ZPL-2.1",
}
"""Debian's short name in lower case -> SPDX id, where the two differ (copyright-format 1.0)."""

VERSIONED = re.compile(r"([al]?gpl|gfdl)-(\d(?:\.\d)?)(\+?)", re.IGNORECASE)
"""Debian's short names of GNU licenses."""


def spdx_form(text: str) -> str:
    """Return a statement as an SPDX expression where it has one of the forms above."""
    if CHOICE.fullmatch(text):
        return " OR ".join(part.strip() for part in text.split("/"))
    pieces = LAST.split(text)
    if len(pieces) == 3:
        return f"({pieces[0]}) {pieces[1]} ({pieces[2]})"
    return text


def spdx_id(name: str) -> str | None:
    """Return the SPDX id of one of Debian's short names; None for any other name."""
    if match := VERSIONED.fullmatch(name):
        family, version, later = match.groups()
        version = version if "." in version else f"{version}.0"
        return f"{family.upper()}-{version}-{'or-later' if later else 'only'}"
    return NAMES.get(name.lower())


def stated_licenses(value: Any) -> Any:
    """Return the value of a license field, with npm's list of objects as one expression."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        types = [item.get("type") if isinstance(item, Mapping) else None for item in value]
        names = [name for name in types if name and isinstance(name, str)]
        if names and len(names) == len(types):
            return " OR ".join(names)
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        return value["type"]
    return value
