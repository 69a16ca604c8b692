"""Resolving a mixture: the components of its datasets, their shares, and the budget.

Shares, budgets and epochs count addresses: the tokens of a document and its end token. Only the
manifests and tombstones of the datasets are read.
"""

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from manifests.config import did_you_mean
from manifests.dataset.tombstones import Tombstones
from manifests.errors import UsageError
from manifests.lineage.manifest import Manifest, load_manifest
from manifests.mixture.config import Mixture
from manifests.special_tokens import SpecialTokens


@dataclass(frozen=True)
class Member:
    """A component of a mixture.

    Attributes:
        name: unique in the mixture; the key of the component's randomness. `source/slug`, or
            `source/slug@2` for the component of that name in a second dataset.
        dataset: directory of its dataset.
        heldout: whether the member is the held-out part of the component.
        documents: number of documents.
        tokens: number of tokens, without end tokens.
        digest: of the component's shards.
        group: index of its group.
        weight: weight within its group.
        cap: maximum number of addresses in the budget, or None.
        tombstones: names of the dataset's tombstone files that concern the component.
        forgotten: number of addresses that the tombstones exclude; they are replaced by padding.
    """

    name: str
    dataset: str
    heldout: bool
    documents: int
    tokens: int
    digest: str
    group: int
    weight: float
    cap: int | None
    tombstones: tuple[str, ...] = ()
    forgotten: int = 0

    @property
    def addresses(self) -> int:
        """Number of tokens and end tokens: the length of an epoch."""
        return self.tokens + self.documents


@dataclass(frozen=True)
class Resolved:
    """A resolved mixture.

    Attributes:
        mixture: the config.
        members: its components, sorted by name.
        group_shares: share of each group.
        budget: number of addresses.
        control: special tokens of the datasets.
    """

    mixture: Mixture
    members: Sequence[Member]
    group_shares: Sequence[float]
    budget: int
    control: SpecialTokens

    def shares(self, exhausted: Collection[int] = ()) -> list[float]:
        """Return the share of each member, with the exhausted members (indices) at 0."""
        weights = [0.0 if i in exhausted else m.weight for i, m in enumerate(self.members)]
        inner = [0.0] * len(self.group_shares)
        for member, weight in zip(self.members, weights, strict=True):
            inner[member.group] += weight
        total = sum(share for share, held in zip(self.group_shares, inner, strict=True) if held)
        return [
            self.group_shares[member.group] / total * weight / inner[member.group]
            if weight
            else 0.0
            for member, weight in zip(self.members, weights, strict=True)
        ]

    def amounts(self) -> list[float]:
        """Return the number of addresses of each member in the budget, at most its cap."""
        seen = [0.0] * len(self.members)
        exhausted: set[int] = set()
        left = float(self.budget)
        while left > 0 and len(exhausted) < len(seen):
            shares = self.shares(exhausted)
            steps = {
                i: max(0.0, (member.cap - seen[i]) / share)
                for i, (member, share) in enumerate(zip(self.members, shares, strict=True))
                if member.cap is not None and share
            }
            step = min([left, *steps.values()])
            seen = [amount + share * step for amount, share in zip(seen, shares, strict=True)]
            exhausted |= {i for i, limit in steps.items() if limit <= step}
            left -= step
        return seen


def resolve(mixture: Mixture, heldout: bool = False) -> Resolved:
    """Resolve a mixture.

    Args:
        mixture: the config.
        heldout: resolve the held-out shards of the components instead, for one epoch without caps.

    Raises:
        UsageError: a pattern matches nothing, a component is in two groups, weights and budgets
            contradict each other, or the datasets have different tokenizers.
        DataError: a manifest is missing or damaged.
    """
    manifests = {directory: load_manifest(directory) for directory in mixture.datasets}
    control = _control(manifests)
    members = _members_of(mixture, manifests, heldout)
    total = sum(member.addresses for member in members)
    if not total:
        kind = "held-out tokens" if heldout else "tokens"
        raise UsageError(f"datasets: the components of this mixture have no {kind}")
    sizes = [sum(m.addresses for m in members if m.group == g) for g in range(len(mixture.group))]
    budget = total if heldout else _budget(mixture, sizes)
    shares = _group_shares(mixture, sizes, total if heldout else budget, heldout)
    if all(member.cap is not None for member in members):
        limit = sum(member.cap or 0 for member in members)
        if budget > limit and (mixture.tokens or mixture.epochs):
            raise UsageError(
                f"tokens: the budget is {budget:,}, but max_epochs allows only {limit:,}"
            )
        budget = min(budget, limit)
    return Resolved(mixture, members, shares, budget, control)


def _control(manifests: Mapping[str, Manifest]) -> SpecialTokens:
    """Return the special tokens of the datasets, which must have the same tokenizer."""
    tokenizers: dict[str, tuple[str, SpecialTokens]] = {}  # digest -> its first dataset, its tokens
    for directory, manifest in manifests.items():
        if manifest.tokenizer is None:
            raise UsageError(f"{directory}: is the output of {manifest.step}, not of tokenize")
        entry = directory, manifest.tokenizer.control
        tokenizers.setdefault(manifest.tokenizer.sha256, entry)
    (first, control), *others = tokenizers.values()
    if others:
        raise UsageError(f"datasets: {first} and {others[0][0]} have different tokenizers")
    return control


def _members_of(mixture: Mixture, manifests: Mapping[str, Manifest], heldout: bool) -> list[Member]:
    """Return the members of a mixture, sorted by name."""
    known: dict[str, list[str]] = {}  # component -> datasets
    for directory, manifest in manifests.items():
        for name in sorted({*manifest.components, *manifest.heldout_components}):
            known.setdefault(name, []).append(directory)
    groups = _groups_of(mixture, known)
    tombstones = {d: Tombstones(d, manifest) for d, manifest in manifests.items()}
    members = []
    for name, index in groups.items():
        group = mixture.group[index]
        for number, directory in zip(count(1), known[name], strict=False):
            manifest = manifests[directory]
            totals = (manifest.heldout_components if heldout else manifest.components).get(name)
            if totals is None or not totals.addresses:
                continue
            cap = None if heldout or group.max_epochs is None else group.max_epochs
            forgotten = tombstones[directory].forgotten(name, heldout)
            members.append(
                Member(
                    name=name if number == 1 else f"{name}@{number}",
                    dataset=directory,
                    heldout=heldout,
                    documents=totals.documents,
                    tokens=totals.tokens,
                    digest=totals.digest,
                    group=index,
                    weight=totals.addresses * group.inner_epochs.get(name, 1.0),
                    cap=None if cap is None else int(cap * totals.addresses),
                    tombstones=tombstones[directory].of(name, heldout),
                    forgotten=forgotten.documents + forgotten.tokens,
                )
            )
    return sorted(members, key=lambda member: member.name)


def _groups_of(mixture: Mixture, known: Collection[str]) -> dict[str, int]:
    """Return component name -> index of its group."""
    groups: dict[str, int] = {}
    for index, group in enumerate(mixture.group):
        for pattern in group.components:
            names = fnmatch.filter(sorted(known), pattern)
            if not names:
                raise UsageError(
                    f"group[{index}].components: {pattern!r} (group {group.name!r}) matches no "
                    f"component; {did_you_mean(pattern, sorted(known))}"
                )
            for name in names:
                if groups.setdefault(name, index) != index:
                    other = mixture.group[groups[name]].name
                    raise UsageError(
                        f"group[{index}].components: {name} is in two groups, "
                        f"{other!r} and {group.name!r}"
                    )
        for name in group.inner_epochs:
            if groups.get(name) != index:
                raise UsageError(f"group[{index}].inner_epochs: {name!r} is not in this group")
    return groups


def _budget(mixture: Mixture, sizes: Sequence[int]) -> int:
    """Return the budget in addresses; `sizes` are the addresses of each group."""
    if mixture.tokens and mixture.epochs:
        raise UsageError("tokens: a mixture has a budget in tokens or in epochs, not both")
    if all(group.epochs for group in mixture.group):
        if mixture.tokens or mixture.epochs:
            raise UsageError("tokens: every group has epochs, which define the budget already")
        pairs = zip(mixture.group, sizes, strict=True)
        return max(1, round(sum((group.epochs or 0) * size for group, size in pairs)))
    return mixture.tokens or max(1, round((mixture.epochs or 1) * sum(sizes)))


def _group_shares(
    mixture: Mixture, sizes: Sequence[int], budget: int, heldout: bool
) -> list[float]:
    """Return the share of each group: by its epochs, or by its weight in the rest."""
    shares = [0.0] * len(sizes)
    weights = 0.0
    for index, group in enumerate(mixture.group):
        if (group.weight is None) == (group.epochs is None):
            raise UsageError(f"group[{index}]: {group.name!r} needs either a weight or epochs")
        if group.epochs is not None:
            shares[index] = (1.0 if heldout else group.epochs) * sizes[index] / budget
        weights += group.weight or 0.0
    rest = 1 - sum(shares)
    if weights and rest <= 0:
        raise UsageError("tokens: the groups with epochs use the whole budget")
    for index, group in enumerate(mixture.group):
        if group.weight is not None:
            shares[index] = rest * group.weight / weights
    return shares
