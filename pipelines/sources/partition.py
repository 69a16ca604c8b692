"""Components cut finer than languages and sets: by license, or by a column of one's own.

With `partition_by = ["topic", "license"]` the MIT files of ours/python on the topic "Web" are the
component `ours/python--web--mit`: a mixture can then weigh them, since a component is its finest
grain. What is rejected stays counted under `ours/python`, for it becomes no component.
"""

from collections.abc import Sequence
from typing import Any

from manifests.components import slug
from manifests.errors import DataError
from manifests.io.digest import short_digest
from manifests.mixture.columns import SEPARATOR

LICENSE = "license"
"""Stands for the license as it was judged, an SPDX expression, whatever columns a source has."""

UNKNOWN = "unknown"
"""The slug of a missing value, and of one without a letter of a to z or a digit."""

LONGEST = 48
"""Characters of a value's slug; a longer one is cut and told apart by its digest."""

MOST = 1000
"""Components that one part may hold: more are a column of paths or ids, not one to mix by."""


def base(component: str) -> str:
    """Return the slug of the language or set that a component is cut from."""
    return component.partition(SEPARATOR)[0]


def with_values(component: str, columns: Sequence[str], record: dict[str, Any]) -> str:
    """Return a row's component with the values of its source's own columns behind it.

    Args:
        component: slug of its language or set.
        columns: `partition_by`; LICENSE is passed over, for it is not known yet.
        record: the row as the source has it.
    """
    own = (value_slug(record.get(column)) for column in columns if column != LICENSE)
    return SEPARATOR.join([component, *own])


def partitioned(component: str, columns: Sequence[str], license: str | None, rejected: bool) -> str:
    """Return what the component of a row is called in the end, without its source.

    Args:
        component: what `with_values` returned.
        columns: `partition_by`.
        license: the expression that was judged.
        rejected: whether the row goes.
    """
    if rejected:
        return base(component)
    first, *values = component.split(SEPARATOR)
    own = iter(values)
    named = (value_slug(license) if column == LICENSE else next(own) for column in columns)
    return SEPARATOR.join([first, *named])


def check(source: str, names: Sequence[str]) -> None:
    """Raise DataError where the rows of a part have too many components, n names in all."""
    count = len(set(names))
    if count > MOST:
        raise DataError(
            f"source {source}: partition_by: cuts one part into {count:,} components, more than "
            f"{MOST:,}; choose a column with fewer values"
        )


def value_slug(value: Any) -> str:
    """Return the slug of a column's value; a list's values are joined, nothing is UNKNOWN."""
    if isinstance(value, list | tuple):
        value = " ".join(str(each) for each in value if each is not None)
    try:
        found = slug(str(value)) if value not in (None, "") else UNKNOWN
    except DataError:
        return UNKNOWN
    if len(found) > LONGEST:
        found = f"{found[: LONGEST - 9].rstrip('-')}-{short_digest(found)[:8]}"
    return found
