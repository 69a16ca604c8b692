"""What people see of mixtures: a table of one, and what changed between two."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from manifests.console import formatting
from manifests.console.output import numbers_table, unwrapped
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import mixture_table

Row = Mapping[str, Any]

ROWS = 60
"""Components whose changes are listed; the rest is counted, and --json has it."""

LEFT = (
    "* left at its max_epochs: the others of its group took its share, and where there were none, "
    "the other groups"
)


def render(rows: Sequence[Row], out: str) -> RenderableType:
    """Return what `mix` prints: each component below its group, rows of `mixture_table`."""
    table = numbers_table("Mixture", "", "tokens there", "share asked", "share got", "epochs")
    for group in dict.fromkeys(row["group"] for row in rows):
        mine = [row for row in rows if row["group"] == group]
        table.add_row(group, *_cells(_together(mine)), style="bold")
        for row in mine:
            table.add_row(f"  {row['component']}{'*' if row['capped'] else ''}", *_cells(row))
    forgotten = sum(row["forgotten"] for row in rows)
    lines = [LEFT] if any(row["capped"] for row in rows) else []
    if forgotten:
        lines.append(f"{formatting.plural(forgotten, 'token')} of them forgotten, and left out")
    lines.append(f"{out}: written; tokens count the end of each document")
    return Group(table, unwrapped("\n".join(lines)))


def _together(rows: Sequence[Row]) -> Row:
    """Return the sums of a group."""
    tokens = sum(row["tokens"] for row in rows)
    seen = sum(row["tokens"] * row["epochs"] for row in rows)
    total = {name: sum(row[name] for row in rows) for name in ("asked", "got")}
    return {"tokens": tokens, "epochs": seen / tokens if tokens else 0.0, **total}


def _cells(row: Row) -> list[str]:
    return [
        formatting.count(row["tokens"]),
        formatting.share(row["asked"], 1),
        formatting.share(row["got"], 1),
        f"{row['epochs']:.2f}",
    ]


def diff(before: str, after: str) -> dict[str, Any]:
    """Return what changed between two mixture files, for JSON.

    Returns:
        `before` and `after`, the files; `budget` and `seed` as [before, after]; `components`:
        name -> `tokens` (there), `share` (got) and `epochs`, each [before, after], of those that
        changed; None where it is not in the mixture.

    Raises:
        UsageError, DataError: as `load_mixture` and `mixture_table` do.
    """
    mixtures = [load_mixture(before), load_mixture(after)]
    old, new = ({row["component"]: row for row in mixture_table(each)} for each in mixtures)
    budgets = [round(sum(row["tokens"] * row["epochs"] for row in t.values())) for t in (old, new)]
    components = {name: _pairs(old.get(name), new.get(name)) for name in sorted({*old, *new})}
    return {
        "before": before,
        "after": after,
        "budget": budgets,
        "seed": [each.seed for each in mixtures],
        "components": {
            name: pairs
            for name, pairs in components.items()
            if any(one != other for one, other in pairs.values())
        },
        "same": sum(all(a == b for a, b in pairs.values()) for pairs in components.values()),
    }


def _pairs(old: Row | None, new: Row | None) -> dict[str, list[Any]]:
    names = {"tokens": "tokens", "share": "got", "epochs": "epochs"}
    return {title: [row and row[name] for row in (old, new)] for title, name in names.items()}


def render_diff(changed: Mapping[str, Any]) -> RenderableType:
    """Return what `diff` prints of two mixtures."""
    lines = [f"before: {changed['before']}", f"after:  {changed['after']}"]
    for name in ("budget", "seed"):
        one, other = changed[name]
        if one != other:
            lines.append(f"{name}: {formatting.count(one)} -> {formatting.count(other)}")
    components = changed["components"]
    if not components:
        lines.append(
            f"{formatting.plural(changed['same'], 'component')}: the same shares and epochs"
        )
        return unwrapped("\n".join(lines))
    heads = ("share before", "after", "epochs before", "after", "tokens there")
    table = numbers_table("Components", "", *heads)
    for name, pairs in list(components.items())[:ROWS]:
        table.add_row(name, *_changed(pairs))
    rest = [f"and {len(components) - ROWS} more: see --json"] if len(components) > ROWS else []
    rest.append(f"{formatting.plural(changed['same'], 'component')} as before")
    return Group(unwrapped("\n".join(lines)), table, unwrapped("\n".join(rest)))


def _changed(pairs: Mapping[str, Sequence[Any]]) -> list[str]:
    shares = ["-" if share is None else formatting.share(share, 1) for share in pairs["share"]]
    epochs = ["-" if each is None else f"{each:.2f}" for each in pairs["epochs"]]
    old, new = pairs["tokens"]
    return [*shares, *epochs, formatting.count(old if new is None else new)]
