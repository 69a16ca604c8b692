"""Mixtures: which components, in which shares of the tokens, for how long.

Regenerating at other ratios writes another mixture and touches no shard: only the manifests of the
datasets are read. Shares, budgets and epochs count addresses (a document's tokens and its end).
"""

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

from manifests.components import slug
from manifests.config import parse_config
from manifests.errors import UsageError
from manifests.lineage.manifest import load_manifest
from manifests.mixture.columns import columns_of, pile_epochs
from manifests.mixture.config import Group, Mixture, load_mixture, save_mixture
from manifests.mixture.recipes import load_recipe
from manifests.mixture.resolve import nearest, resolve

__all__ = [
    "Group",
    "Mixture",
    "load_mixture",
    "make_mixture",
    "mixture_table",
    "save_mixture",
]


def mixture_table(mixture: Mixture) -> list[dict[str, Any]]:
    """Return a row for each component: what is there, what was asked, what it comes to.

    Each row has `group`, `component`, `tokens` (there, with the end of each document), `forgotten`
    (of them; left out whenever their turn comes), `asked` and `got` (shares of the budget; they
    differ where a component reaches its max_epochs: then it is `capped`), and `epochs` (how often
    the budget sees it).
    """
    resolved = resolve(mixture)
    asked, amounts = resolved.shares(), resolved.amounts()
    total = sum(amounts)
    return [
        {
            "group": mixture.group[member.group].name,
            "component": member.name,
            "tokens": member.addresses,
            "forgotten": member.forgotten,
            "asked": share,
            "got": amount / total,
            "epochs": amount / member.addresses,
            "capped": member.cap is not None and amount >= member.cap,
        }
        for member, share, amount in zip(resolved.members, asked, amounts, strict=True)
    ]


def make_mixture(
    directories: Sequence[str],
    weights: Mapping[str, float] | None = None,
    *,
    repeats: Mapping[str, float] | None = None,
    recipe: str | None = None,
    max_epochs: Mapping[str, float] | None = None,
    tokens: int | None = None,
    epochs: float | None = None,
    seed: int = 0,
    out: str = "MIX.toml",
) -> list[dict[str, Any]]:
    """Write a mixture to `out` and return its `mixture_table`.

    A group is the name of a source (`the-stack`), a component (`the-stack/c`), a pattern
    (`the-stack/c*`), or COLUMN:VALUE (`license:mit`, `component:python`, `kind:the-pile`); or
    several of them joined by `+`, which share one weight. Components of the Pile get its published
    epochs as inner epochs.

    Args:
        directories: of tokenized datasets.
        weights: group -> its share of the tokens, relative to the others'.
        repeats: group -> how often the whole mixture sees it, instead of a weight.
        recipe: the groups of a named recipe, instead of both.
        max_epochs: group -> after how many epochs its components leave; "" is for every group.
        tokens: budget.
        epochs: budget, in sizes of the mixture.
        seed: of the order and of every span.
        out: the file.

    Raises:
        UsageError: a weight is not above 0, or a group matches nothing, or any fault of `resolve`.
    """
    if not directories:
        raise UsageError("mix: name at least one dataset directory")
    known = _known(directories)
    groups = _groups(known, weights or {}, repeats or {}, recipe)
    _cap(groups, max_epochs or {})
    for group in groups:
        patterns = group["components"]
        members = [n for n in known if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
        group["inner_epochs"] = {n: e for n in members if (e := pile_epochs(known[n])) != 1}
    budget = {"tokens": tokens, "epochs": epochs}
    content: dict[str, Any] = {"datasets": list(directories), "seed": seed, "group": groups}
    content |= {key: value for key, value in budget.items() if value is not None}
    mixture = parse_config("mix", Mixture, content)
    rows = mixture_table(mixture)
    save_mixture(mixture, out)
    return rows


Known = Mapping[str, dict[str, str]]
"""Component -> its columns."""


def _known(directories: Sequence[str]) -> Known:
    manifests = [load_manifest(directory) for directory in directories]
    found = {name: columns_of(name, each) for each in manifests for name in each.components}
    return dict(sorted(found.items()))


def _groups(
    known: Known, weights: Mapping[str, float], repeats: Mapping[str, float], recipe: str | None
) -> list[dict[str, Any]]:
    sources = sorted({columns["source"] for columns in known.values()})
    if recipe is not None:
        if weights or repeats:
            raise UsageError(
                "--recipe: it has its own groups; give --weight and --repeat without it"
            )
        kinds = {columns["source"]: columns["kind"] for columns in known.values()}
        return load_recipe(recipe).groups(recipe, kinds)
    if not weights and not repeats:
        raise UsageError(
            f"--weight: give at least one GROUP=W, or --recipe; sources there are: {sources}"
        )
    groups = []
    for option, field, values in (("weight", "weight", weights), ("repeat", "epochs", repeats)):
        for name, value in values.items():
            if not 0 < value < float("inf"):
                what = "a weight is" if field == "weight" else "epochs are"
                raise UsageError(f"--{option}: {name}={value}: {what} a number above 0")
            chosen = [p for part in name.split("+") for p in _patterns(known, part, option)]
            groups.append({"name": name, "components": chosen, field: value})
    return groups


def _patterns(known: Known, part: str, option: str) -> list[str]:
    """Return names or patterns of the components that a part of a group's name stands for."""
    column, found, value = part.partition(":")
    if not found:
        patterns = [part if "/" in part else f"{part}/*"]
        if any(fnmatch.fnmatchcase(name, patterns[0]) for name in known):
            return patterns
        names = {*known, *(columns["source"] for columns in known.values())}
        raise UsageError(f"--{option}: {part!r} matches no component; {nearest(part, names)}")
    columns = {name for each in known.values() for name in each}
    if column not in columns:
        raise UsageError(f"--{option}: {part!r}: there is no column; {nearest(column, columns)}")
    chosen = [name for name, each in known.items() if each.get(column) == slug(value)]
    if not chosen:
        values = {each[column] for each in known.values() if column in each}
        raise UsageError(f"--{option}: {part!r} is no component's; {nearest(slug(value), values)}")
    return chosen


def _cap(groups: Sequence[dict[str, Any]], caps: Mapping[str, float]) -> None:
    """Set the groups' max_epochs."""
    names = {group["name"] for group in groups}
    for name, most in caps.items():
        if name and name not in names:
            raise UsageError(f"--max-epochs: there is no group {name!r}; {nearest(name, names)}")
        if not 0 < most < float("inf"):
            raise UsageError(f"--max-epochs: {most}: epochs are a number above 0")
    for group in groups:
        capped = {name: most for name, most in caps.items() if name in ("", group["name"])}
        if capped:
            group["max_epochs"] = capped.get(group["name"], capped.get(""))
