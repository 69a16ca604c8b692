"""Tables for people: the components of a mixture, and the differences of two mixtures."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from rich.console import Group, RenderableType

from manifests.console import formatting
from manifests.console.output import numbers_table, unwrapped
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import MixtureRow, mixture_table
from manifests.mixture.published_sets import MissingSets, sentence

ROWS = 60
"""Maximum number of changed components that are listed; --json lists all."""

CAPPED = (
    "* reached its max_epochs: the other components of its group, or other groups, got its share"
)


def mixture_view(
    rows: Sequence[MixtureRow], out: str, missing: Sequence[MissingSets] = ()
) -> RenderableType:
    """Return the rows of `mixture_table` as a table, each component below its group.

    Args:
        rows: the components.
        out: path of the file.
        missing: the sets of the recipe that are missing.
    """
    table = numbers_table("Mixture", "", "tokens", "requested share", "share", "epochs")
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        tokens, requested, share = (
            sum(row[key] for row in members) for key in ("tokens", "requested_share", "share")
        )
        seen = sum(row["tokens"] * row["epochs"] for row in members)
        table.add_row(group, *_cells(tokens, requested, share, seen / tokens), style="bold")
        for row in members:
            table.add_row(f"  {row['component']}{'*' if row['capped'] else ''}", *row_cells(row))
    lines = [CAPPED] if any(row["capped"] for row in rows) else []
    if forgotten := sum(row["forgotten"] for row in rows):
        lines.append(f"{formatting.plural(forgotten, 'token')} forgotten, and excluded")
    lines += map(sentence, missing)
    lines.append(f"{out}: written; tokens include the end token of each document")
    return Group(table, unwrapped("\n".join(lines)))


def row_cells(row: MixtureRow) -> list[str]:
    """Return tokens, requested share, share and epochs of a component as text."""
    return _cells(row["tokens"], row["requested_share"], row["share"], row["epochs"])


def _cells(tokens: float, requested: float, share: float, epochs: float) -> list[str]:
    return [
        formatting.count(tokens),
        formatting.share(requested, 1),
        formatting.share(share, 1),
        f"{epochs:.2f}",
    ]


class MixtureDiff(TypedDict):
    """Differences of two mixtures; each pair is [before, after]."""

    before: str
    after: str
    budget: list[int]
    seed: list[int]
    components: dict[str, dict[str, list[Any]]]
    """Changed component -> pairs of `tokens`, `share` and `epochs`; None: not in the mixture."""
    same: int
    """Number of components with the same tokens, shares and epochs."""


def mixture_diff(before: str, after: str) -> MixtureDiff:
    """Return the differences of two mixture files.

    Raises:
        UsageError, DataError: as `load_mixture` and `mixture_table` do.
    """
    mixtures = [load_mixture(path) for path in (before, after)]
    old, new = ({row["component"]: row for row in mixture_table(m)} for m in mixtures)
    components = {name: _pairs(old.get(name), new.get(name)) for name in sorted({*old, *new})}
    changed = {
        name: pairs
        for name, pairs in components.items()
        if any(one != other for one, other in pairs.values())
    }
    return {
        "before": before,
        "after": after,
        "budget": [
            round(sum(row["tokens"] * row["epochs"] for row in table.values()))
            for table in (old, new)
        ],
        "seed": [mixture.seed for mixture in mixtures],
        "components": changed,
        "same": len(components) - len(changed),
    }


def _pairs(old: MixtureRow | None, new: MixtureRow | None) -> dict[str, list[Any]]:
    rows: list[Any] = [old, new]
    return {name: [row and row[name] for row in rows] for name in ("tokens", "share", "epochs")}


def diff_view(diff: MixtureDiff) -> RenderableType:
    """Return the result of `mixture_diff` as a table."""
    lines = [f"before: {diff['before']}", f"after:  {diff['after']}"]
    for name, (old, new) in (("budget", diff["budget"]), ("seed", diff["seed"])):
        if old != new:
            lines.append(f"{name}: {formatting.count(old)} -> {formatting.count(new)}")
    components, same = diff["components"], formatting.plural(diff["same"], "component")
    if not components:
        return unwrapped("\n".join([*lines, f"{same}: the same shares and epochs"]))
    heads = ("share before", "after", "epochs before", "after", "tokens")
    table = numbers_table("Components", "", *heads)
    for name, pairs in list(components.items())[:ROWS]:
        table.add_row(name, *_changed_cells(pairs))
    rest = [f"and {len(components) - ROWS} more: see --json"] if len(components) > ROWS else []
    rest.append(f"{same} unchanged")
    return Group(unwrapped("\n".join(lines)), table, unwrapped("\n".join(rest)))


def _changed_cells(pairs: Mapping[str, Sequence[Any]]) -> list[str]:
    shares = ["-" if share is None else formatting.share(share, 1) for share in pairs["share"]]
    epochs = ["-" if number is None else f"{number:.2f}" for number in pairs["epochs"]]
    old, new = pairs["tokens"]
    return [*shares, *epochs, formatting.count(old if new is None else new)]
