"""Components divided further by license, or by a column of the user's own.

With `partition_by = ["topic", "license"]` the MIT files of ours/python with the topic "Web" are the
component `ours/python--web--mit`. A component is the finest unit that a mixture can weight.
Rejected rows are counted under `ours/python`: they are in no component.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from manifests.components import slug
from manifests.errors import DataError
from manifests.io.digest import short_digest
from manifests.mixture.columns import SEPARATOR

LICENSE = "license"
"""Name in `partition_by` of the license that was judged, an SPDX expression."""

UNKNOWN = "unknown"
"""Slug of a missing value, and of a value without a letter from a to z or a digit."""

MAX_SLUG = 48
"""Maximum length of a value's slug. A longer slug is cut and gets a digest of the whole."""

MAX_COMPONENTS = 1000
"""Maximum number of components of one part. Ours: a column of paths or ids has more."""


def base(component: str) -> str:
    """Return the slug of the language or set of which a component is a part."""
    return component.partition(SEPARATOR)[0]


def with_values(component: str, columns: Sequence[str], record: Mapping[str, Any]) -> str:
    """Return a row's component, followed by the values of its columns of `partition_by`.

    Args:
        component: slug of the language or set.
        columns: `partition_by`; LICENSE is skipped, because it is not judged yet.
        record: the row in the form of the source.
    """
    own = (value_slug(record.get(column)) for column in columns if column != LICENSE)
    return SEPARATOR.join([component, *own])


def partitioned(component: str, columns: Sequence[str], license: str | None, rejected: bool) -> str:
    """Return the final component of a row, without its source.

    Args:
        component: result of `with_values`.
        columns: `partition_by`.
        license: the expression that was judged.
        rejected: whether the row is rejected.
    """
    if rejected:
        return base(component)
    first, *values = component.split(SEPARATOR)
    own = iter(values)
    named = (value_slug(license) if column == LICENSE else next(own) for column in columns)
    return SEPARATOR.join([first, *named])


def check(source: str, names: Sequence[str]) -> None:
    """Raise DataError if the rows of a part have too many distinct components.

    Args:
        source: name of the source, for the message.
        names: component of each row.
    """
    count = len(set(names))
    if count > MAX_COMPONENTS:
        raise DataError(
            f"source {source}: partition_by: divides one part into {count:,} components, more than "
            f"{MAX_COMPONENTS:,}; choose a column with fewer values"
        )


def value_slug(value: Any) -> str:
    """Return the slug of a column's value; the values of a list are joined."""
    if isinstance(value, list | tuple):
        value = " ".join(str(item) for item in value if item is not None)
    try:
        name = slug(str(value)) if value not in (None, "") else UNKNOWN
    except DataError:
        return UNKNOWN
    if len(name) > MAX_SLUG:
        name = f"{name[: MAX_SLUG - 9].rstrip('-')}-{short_digest(name)[:8]}"
    return name
