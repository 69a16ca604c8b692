"""The license that an installed package declares, as the flat list of SPDX ids of The Stack."""

from functools import lru_cache
from importlib.metadata import Distribution
from typing import Any

from filters.licenses import spdx

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Trove classifiers that mean one license; "BSD License" and "GNU General Public License (GPL)"
leave open which."""

TEXT_CHARACTERS = 12_000
"""Of a license file: what follows is about bundled software."""

COVERAGE = 90.0
"""Percent of a license's text that must be there."""


def declared_licenses(distribution: Distribution) -> tuple[str, ...]:
    """Return the ids of the first that says something: expression, field, classifiers, file."""
    metadata = distribution.metadata
    for field in ("License-Expression", "License"):
        for text in metadata.get_all(field) or []:
            if ids := _ids(text):
                return ids
    classifiers = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or []]
    ids = tuple(CLASSIFIERS[c] for c in classifiers if c in CLASSIFIERS)
    return ids or _ids(_of_file(distribution))


def _ids(text: str) -> tuple[str, ...]:
    """The licenses of an SPDX expression, in their order, each once; none if it is none."""
    tree = spdx.parse(text)
    leaves = [] if tree is None else list(_leaves(tree))
    names = [spdx.written(leaf) for leaf in leaves]
    known = all(
        spdx.is_license(leaf) or (name.startswith("LicenseRef-") and name in text)
        for leaf, name in zip(leaves, names, strict=True)
    )
    return tuple(dict.fromkeys(names)) if known else ()


def _leaves(tree: Any) -> list[Any]:
    if hasattr(tree, "key") or hasattr(tree, "license_symbol"):
        return [tree]
    return [leaf for part in tree.args for leaf in _leaves(part)]


def _of_file(distribution: Distribution) -> str:
    """The SPDX expression of the first license text in the package's LICENSE files."""
    names = ("license", "licence", "copying")
    for entry in sorted(distribution.files or [], key=lambda e: (len(e.parts), e.as_posix())):
        in_metadata = entry.parts[0].endswith(".dist-info")
        if in_metadata and entry.name.lower().startswith(names):
            text = entry.locate().read_text(encoding="utf-8", errors="replace")  # type: ignore[attr-defined]
            if expression := _recognized(text[:TEXT_CHARACTERS]):
                return expression
    return ""


def _recognized(text: str) -> str:
    """ScanCode's verdict on a license text, as an SPDX expression; "" if it knows it not."""
    from licensedcode.cache import build_spdx_license_expression

    for match in _index().match(query_string=text):
        if match.rule.is_license_text and match.coverage() >= COVERAGE:
            return str(build_spdx_license_expression(match.rule.license_expression))
    return ""


@lru_cache(maxsize=1)
def _index() -> Any:
    """ScanCode's index, some seconds to load."""
    from licensedcode.cache import get_index

    return get_index()
