"""SPDX license expressions: parsing, canonical form, and judgment by a set of allowed licenses."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

from filters.licenses.list_versions import ids_until, newest
from filters.licenses.upstream import spdx_form, spdx_id

Judgment = Literal["allow", "deny", "unknown"]

PERMISSIVE = ("Permissive", "Public Domain", "CLA")
"""ScanCode's categories of licenses without restrictions on use."""

LONGEST = 1000
"""Maximum number of characters of an expression (ours: bounds the depth of nesting). A longer text
is not parsed."""


@lru_cache(maxsize=1 << 16)
def parse(text: str) -> Any:
    """Return the tree of an SPDX expression (license_expression's), or None for other text.

    The forms of upstream metadata that `upstream.spdx_form` knows are read, too.
    """
    if len(text) > LONGEST:
        return None
    # Imported where it is used: the base installation loads policies' files without it.
    from boolean.boolean import ParseError
    from license_expression import ExpressionError

    try:
        return _licensing().parse(spdx_form(text))
    except (ExpressionError, ParseError, IndexError, AssertionError):
        # boolean.py raises the last two for "()" and "( OR MIT".
        return None


def is_license(tree: Any) -> bool:
    """Return whether a tree is one known license, with or without a known exception."""
    if hasattr(tree, "license_symbol"):
        return bool(_canonical(tree.license_symbol) and _canonical(tree.exception_symbol))
    return hasattr(tree, "key") and _canonical(tree) is not None


def is_known(tree: Any) -> bool:
    """Return whether all licenses of a tree are known and not of ScanCode's permissive ids."""
    if tree is None or (hasattr(tree, "key") and _canonical(tree) in permissive_beyond(newest())):
        return False
    parts = getattr(tree, "args", ())
    return is_license(tree) or bool(parts and all(map(is_known, parts)))


def alternatives(tree: Any) -> list[str]:
    """Return the licenses of a tree that is a choice between single licenses; [] for any other."""
    parts = getattr(tree, "args", ())
    is_choice = parts and _operator(tree) == "OR" and all(map(is_license, parts))
    return [written(part) for part in parts] if is_choice else []


def evaluate(
    tree: Any, allowed: frozenset[str], undecided: frozenset[str] = frozenset()
) -> Judgment:
    """Judge a tree: `A OR B` allows a choice, `A AND B` requires both.

    Args:
        tree: the result of `parse`.
        allowed: canonical ids and `ID WITH EXCEPTION` pairs; other known licenses are denied.
        undecided: canonical ids that are unknown instead of denied if not in `allowed`.
    """
    if hasattr(tree, "license_symbol"):
        return _evaluate_exception(tree, allowed)
    if hasattr(tree, "key"):
        key = _canonical(tree)
        if key in allowed:
            return "allow"
        return "unknown" if key is None or key in undecided else "deny"
    return combine(_operator(tree), (evaluate(part, allowed, undecided) for part in tree.args))


@lru_cache(maxsize=16)
def permissive_beyond(list_version: str) -> frozenset[str]:
    """Return ids of permissive licenses that a version of the SPDX license list lacks.

    These are the ids that ScanCode alone defines and the ids that SPDX added later, where
    ScanCode's category is permissive, public domain or contributor agreement. Exceptions are
    included: an exception without its license adds permissions.
    """
    known = ids_until(list_version)

    def is_lacking(entry: Mapping[str, Any]) -> bool:
        """Return whether the list version has neither the id of a license nor a former id."""
        id_ = entry["spdx_license_key"]
        former = entry.get("other_spdx_license_keys") or ()
        return id_.startswith("LicenseRef-") or known.isdisjoint([id_, *former])

    return frozenset(
        entry["spdx_license_key"]
        for entry in _license_index()
        if entry.get("is_exception") or (entry.get("category") in PERMISSIVE and is_lacking(entry))
    )


def written(tree: Any) -> str:
    """Write a tree in canonical ids; an unknown id becomes a LicenseRef."""
    if hasattr(tree, "license_symbol"):
        return f"{written(tree.license_symbol)} WITH {written(tree.exception_symbol)}"
    if hasattr(tree, "key"):
        return _canonical(tree) or reference(cast(str, tree.key).removeprefix("LicenseRef-"))
    return joined(_operator(tree), [written(part) for part in tree.args])


def reference(text: str) -> str:
    """Return text that is not an SPDX id as a LicenseRef, which expressions may hold."""
    if text.upper() in ("NOASSERTION", "NONE"):
        return text.upper()
    return "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")[:64] or "unreadable")


def combine(operator: str, judgments: Iterable[str]) -> Judgment:
    """Return Kleene's three-valued AND or OR of at least one judgment."""
    present = set(judgments)
    order: tuple[Judgment, ...]
    order = ("deny", "unknown", "allow") if operator == "AND" else ("allow", "unknown", "deny")
    return next(judgment for judgment in order if judgment in present)


def joined(operator: str, expressions: Sequence[str]) -> str:
    """Join expressions by an operator, each expression once."""
    parts = list(dict.fromkeys(expressions))
    if len(parts) == 1:
        return parts[0]
    return f" {operator} ".join(f"({p})" if re.search(" (AND|OR) ", p) else p for p in parts)


@lru_cache(maxsize=1)
def _licensing() -> Any:
    """Return license_expression's parser of SPDX expressions."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@lru_cache(maxsize=1)
def _license_index() -> list[dict[str, Any]]:
    """Return the entries of license_expression's list of licenses that have an SPDX id."""
    from license_expression import get_license_index

    return [entry for entry in get_license_index() if entry.get("spdx_license_key")]


@lru_cache(maxsize=1)
def _scancode_keys() -> dict[str, str]:
    """Return ScanCode's key, such as "bsd-new" -> SPDX id."""
    return {entry["license_key"].lower(): entry["spdx_license_key"] for entry in _license_index()}


@lru_cache(maxsize=1)
def _unstated() -> frozenset[str]:
    """Return ScanCode's ids of licenses that a text mentions without a name."""
    return frozenset(
        entry["spdx_license_key"]
        for entry in _license_index()
        if entry.get("category") == "Unstated License"
    )


def _canonical(symbol: Any) -> str | None:
    """Return the SPDX id of a symbol of a tree, or None for an unknown symbol."""
    key = str(symbol.key)
    if key in _licensing().known_symbols:
        return None if key in _unstated() else key
    if key.startswith("deprecated_"):
        # go-license-detector's spelling, in The Stack's lists: deprecated_LGPL-3.0+.
        return _canonical_of(key.removeprefix("deprecated_"))
    if debian := spdx_id(key):
        return _canonical_of(debian)
    if key.endswith("+"):
        # "This version or later": SPDX's suffix for ids that have no -or-later form.
        return _canonical_of(key[:-1])
    known = _scancode_keys().get(key.lower())
    return _canonical_of(known) if known else None


def _canonical_of(key: str) -> str | None:
    """Return the SPDX id of an id in any spelling, or None."""
    tree = parse(key)
    return _canonical(tree) if hasattr(tree, "key") else None


def _evaluate_exception(tree: Any, allowed: frozenset[str]) -> Judgment:
    """Judge `ID WITH EXCEPTION`: SPDX's exceptions add permissions, some of ScanCode's restrict."""
    license_id, exception = _canonical(tree.license_symbol), _canonical(tree.exception_symbol)
    if license_id is None or exception is None:
        return "unknown"
    if not _licensing().known_symbols[exception].is_exception:
        return "unknown"
    if f"{license_id} WITH {exception}" in allowed:
        return "allow"
    restricts = exception.startswith("LicenseRef-")
    return "allow" if license_id in allowed and not restricts else "deny"


def _operator(tree: Any) -> str:
    """Return the operator of a compound tree."""
    return "AND" if isinstance(tree, _licensing().AND) else "OR"
