"""Making a mixture: which components, in which shares of the tokens, and for how long.

Only the manifests of the datasets are read, so a mixture with other shares needs no other shards.
Shares, budgets and epochs count addresses: the tokens of a document and its end token.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from manifests.components import slug
from manifests.config import did_you_mean, parse_config
from manifests.errors import UsageError
from manifests.mixture.columns import Columns, columns_of_datasets, pile_epochs
from manifests.mixture.config import Mixture, save_mixture
from manifests.mixture.published_sets import MissingSets
from manifests.mixture.recipes import load_recipe
from manifests.mixture.resolve import resolve


class MixtureRow(TypedDict):
    """A component of a mixture."""

    group: str
    """Name of its group."""
    component: str
    """`source/slug`."""
    tokens: int
    """Tokens of the component, with the end token of each document."""
    forgotten: int
    """Those of `tokens` that tombstones exclude from training."""
    requested_share: float
    """Share of the budget by weights and epochs alone."""
    share: float
    """Share of the budget; differs from `requested_share` if a component reaches max_epochs."""
    epochs: float
    """Epochs of the component in the budget."""
    capped: bool
    """Whether the component reaches its max_epochs."""


def mixture_table(mixture: Mixture) -> list[MixtureRow]:
    """Return a row for each component of a mixture."""
    resolved = resolve(mixture)
    shares, amounts = resolved.shares(), resolved.amounts()
    total = sum(amounts)
    return [
        {
            "group": mixture.group[member.group].name,
            "component": member.name,
            "tokens": member.addresses,
            "forgotten": member.forgotten,
            "requested_share": share,
            "share": amount / total,
            "epochs": amount / member.addresses,
            "capped": member.cap is not None and amount >= member.cap,
        }
        for member, share, amount in zip(resolved.members, shares, amounts, strict=True)
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
) -> list[MixtureRow]:
    """Write a mixture to `out` and return its `mixture_table`.

    A group is the name of a source (`the-stack`), a component (`the-stack/c`), a pattern
    (`the-stack/c*`), COLUMN:VALUE (`license:mit`, `component:python`, `kind:the-pile`), or several
    of them joined by `+`, which share one weight. Components of the Pile get their published epochs
    as inner epochs.

    Args:
        directories: of tokenized datasets.
        weights: group -> share of the tokens, relative to the other weights.
        repeats: group -> epochs in the whole mixture, instead of a weight.
        recipe: name of a recipe that defines the groups, instead of `weights` and `repeats`.
        max_epochs: group -> maximum epochs of its components; the name "" stands for every group.
        tokens: budget in tokens.
        epochs: budget in epochs of the mixture.
        seed: of the order and of all random choices of objectives.
        out: path of the file.

    Raises:
        UsageError: a number is not above 0, a group matches nothing, a group of the recipe has
            none of its sets, or `resolve` fails.
    """
    if not directories:
        raise UsageError("mix: name at least one dataset directory")
    columns = columns_of_datasets(directories)
    groups = _groups(columns, weights or {}, repeats or {}, recipe)
    missing_sets(directories, recipe)
    _set_max_epochs(groups, max_epochs or {})
    for group in groups:
        patterns = group["components"]
        members = [n for n in columns if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
        group["inner_epochs"] = {n: e for n in members if (e := pile_epochs(columns[n])) != 1}
    budget = {"tokens": tokens, "epochs": epochs}
    content: dict[str, Any] = {"datasets": list(directories), "seed": seed, "group": groups}
    content |= {key: value for key, value in budget.items() if value is not None}
    mixture = parse_config("mix", Mixture, content)
    rows = mixture_table(mixture)
    save_mixture(mixture, out)
    return rows


def missing_sets(directories: Sequence[str], recipe: str | None) -> list[MissingSets]:
    """Return the sets of a recipe that the datasets lack, with their shares in the recipe.

    Raises:
        UsageError: there is no such recipe, or one of its groups has none of its sets.
    """
    if recipe is None:
        return []
    return load_recipe(recipe).missing(recipe, columns_of_datasets(directories))


def _groups(
    columns: Columns, weights: Mapping[str, float], repeats: Mapping[str, float], recipe: str | None
) -> list[dict[str, Any]]:
    """Return the groups of a mixture, with the fields of `MixtureGroup`."""
    kinds = {values["source"]: values["kind"] for values in columns.values()}
    if recipe is not None:
        if weights or repeats:
            raise UsageError("--recipe: a recipe has groups; omit --weight and --repeat")
        return load_recipe(recipe).groups(recipe, kinds)
    if not weights and not repeats:
        raise UsageError(
            f"--weight: give at least one GROUP=W, or --recipe; the sources are: {sorted(kinds)}"
        )
    groups = []
    for option, field, numbers in (("weight", "weight", weights), ("repeat", "epochs", repeats)):
        for name, number in numbers.items():
            _check_positive(f"--{option}: {name}={number}: {field}", number)
            patterns = [p for part in name.split("+") for p in _patterns(columns, part, option)]
            groups.append({"name": name, "components": patterns, field: number})
    return groups


def _check_positive(what: str, number: float) -> None:
    if not 0 < number < float("inf"):
        raise UsageError(f"{what} must be a finite number above 0")


def _patterns(columns: Columns, part: str, option: str) -> list[str]:
    """Return the names or patterns of the components that a part of a group's name stands for."""
    column, colon, value = part.partition(":")
    if colon:
        names = {name for values in columns.values() for name in values}
        if column not in names:
            hint = did_you_mean(column, sorted(names))
            raise UsageError(f"--{option}: {part!r}: no such column; {hint}")
        value = slug(value)
        patterns = sorted(name for name, row in columns.items() if row.get(column) == value)
        known = {row[column] for row in columns.values() if column in row}
    else:
        value, pattern = part, part if "/" in part else f"{part}/*"
        patterns = [pattern] if fnmatch.filter(columns, pattern) else []
        known = {*columns, *(row["source"] for row in columns.values())}
    if not patterns:
        hint = did_you_mean(value, sorted(known))
        raise UsageError(f"--{option}: {part!r} matches no component; {hint}")
    return patterns


def _set_max_epochs(groups: Sequence[dict[str, Any]], max_epochs: Mapping[str, float]) -> None:
    """Set the max_epochs of each group; the name "" stands for groups without their own."""
    names = {group["name"] for group in groups}
    for name, epochs in max_epochs.items():
        if name and name not in names:
            raise UsageError(
                f"--max-epochs: there is no group {name!r}; {did_you_mean(name, sorted(names))}"
            )
        _check_positive(f"--max-epochs: {epochs}: epochs", epochs)
    for group in groups:
        if (epochs := max_epochs.get(group["name"], max_epochs.get("", 0))) > 0:
            group["max_epochs"] = epochs
