"""A mixture resolved: which components its datasets hold, in which shares, for how long.

Shares, budgets and epochs count addresses (a document's tokens and its end). Only the manifests of
the datasets are read, and their tombstones.
"""

import difflib
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from manifests.dataset.tombstones import Tombstones
from manifests.errors import UsageError
from manifests.lineage.manifest import Manifest, load_manifest
from manifests.mixture.config import Mixture
from manifests.special_tokens import SpecialTokens

LISTED = 8
"""Names that an error lists where none is near to what was meant."""


@dataclass(frozen=True)
class Member:
    """A component of a mixture.

    Attributes:
        name: unique in the mixture, and what its randomness is keyed by: `source/slug`, or
            `source/slug@2` for the component of that name in a second dataset.
        dataset: the directory that holds it.
        group: index of its group.
        weight: inside its group.
        cap: addresses after which it leaves, or None.
        tombstones: names of those of its dataset that speak of it.
        forgotten: addresses that they leave out; they stay in the ring, and are padded.
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
        """The length of its ring."""
        return self.tokens + self.documents


@dataclass(frozen=True)
class Resolved:
    """A mixture with what its datasets hold: members, shares and a budget of addresses."""

    mixture: Mixture
    members: Sequence[Member]
    group_shares: Sequence[float]
    budget: int
    control: SpecialTokens

    def shares(self, exhausted: Collection[int] = ()) -> list[float]:
        """Return each member's share, those that left at 0; all are 0 when every one has left."""
        weights = [0.0 if i in exhausted else m.weight for i, m in enumerate(self.members)]
        inner = [0.0] * len(self.group_shares)
        for member, weight in zip(self.members, weights, strict=True):
            inner[member.group] += weight
        total = sum(s for s, held in zip(self.group_shares, inner, strict=True) if held)
        return [
            self.group_shares[member.group] / total * weight / inner[member.group]
            if weight
            else 0.0
            for member, weight in zip(self.members, weights, strict=True)
        ]

    def amounts(self) -> list[float]:
        """Return the addresses of each member that the whole budget sees, caps obeyed."""
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
            exhausted |= {i for i, own in steps.items() if own <= step}
            left -= step
        return seen


def resolve(mixture: Mixture, heldout: bool = False) -> Resolved:
    """Look up what a mixture's datasets hold.

    With `heldout`, the members are the components' heldout shards, taken once, without caps; a
    component that has none is left out.

    Raises:
        UsageError: a pattern matches nothing, a component is in two groups, weights and budgets
            contradict each other, or the datasets have different tokenizers.
        DataError: a manifest is not there or is damaged.
    """
    manifests = {directory: load_manifest(directory) for directory in mixture.datasets}
    control = _control(manifests)
    members = _members_of(mixture, manifests, heldout)
    total = sum(member.addresses for member in members)
    if not total:
        held = "heldout tokens" if heldout else "tokens"
        raise UsageError(f"datasets: the components of this mixture hold no {held}")
    sizes = [sum(m.addresses for m in members if m.group == g) for g in range(len(mixture.group))]
    budget = total if heldout else _budget(mixture, sizes)
    shares = _group_shares(mixture, sizes, total if heldout else budget, heldout)
    resolved = Resolved(mixture, members, shares, budget, control)
    if all(member.cap is not None for member in members):
        most = sum(member.cap or 0 for member in members)
        if budget > most and (mixture.tokens or mixture.epochs):
            raise UsageError(
                f"tokens: the budget is {budget:,}, but max_epochs lets only {most:,} be seen"
            )
        return Resolved(mixture, members, shares, min(budget, most), control)
    return resolved


def _control(manifests: Mapping[str, Manifest]) -> SpecialTokens:
    first: tuple[str, str, SpecialTokens] | None = None
    for directory, manifest in manifests.items():
        if manifest.tokenizer is None:
            raise UsageError(f"{directory}: is the output of {manifest.step}, not of tokenize")
        mine = manifest.tokenizer
        if first is None:
            first = directory, mine.sha256, mine.control
        elif first[1] != mine.sha256:
            raise UsageError(f"datasets: {first[0]} and {directory} have different tokenizers")
    if first is None:
        raise UsageError("datasets: names none")
    return first[2]


def _members_of(mixture: Mixture, manifests: Mapping[str, Manifest], heldout: bool) -> list[Member]:
    """List the members in order of dataset and name."""
    known: dict[str, list[str]] = {}  # component -> the datasets that hold it
    for directory, manifest in manifests.items():
        for name in sorted({*manifest.components, *manifest.heldout_components}):
            known.setdefault(name, []).append(directory)
    groups = _groups_of(mixture, known)
    stones = {d: Tombstones(d, manifest) for d, manifest in manifests.items()}
    members = []
    for name, index in groups.items():
        group = mixture.group[index]
        for number, directory in zip(count(1), known[name], strict=False):
            manifest = manifests[directory]
            totals = (manifest.heldout_components if heldout else manifest.components).get(name)
            if totals is None or not totals.addresses:
                continue
            cap = None if heldout or group.max_epochs is None else group.max_epochs
            gone = stones[directory].forgotten(name, heldout)
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
                    tombstones=stones[directory].of(name, heldout),
                    forgotten=gone.documents + gone.tokens,
                )
            )
    return sorted(members, key=lambda member: member.name)


def _groups_of(mixture: Mixture, known: Collection[str]) -> dict[str, int]:
    """Return component name -> index of its group."""
    groups: dict[str, int] = {}
    for index, group in enumerate(mixture.group):
        for pattern in group.components:
            found = fnmatch.filter(sorted(known), pattern)
            if not found:
                raise UsageError(
                    f"group[{index}].components: {pattern!r} (group {group.name!r}) matches no "
                    f"component; {nearest(pattern, known)}"
                )
            for name in found:
                if groups.setdefault(name, index) != index:
                    other = mixture.group[groups[name]].name
                    raise UsageError(
                        f"group[{index}].components: {name} is in two groups, "
                        f"{other!r} and {group.name!r}"
                    )
        for name, epochs in group.inner_epochs.items():
            if groups.get(name) != index:
                raise UsageError(f"group[{index}].inner_epochs: {name!r} is not in this group")
            if not 0 < epochs < float("inf"):
                raise UsageError(
                    f"group[{index}].inner_epochs: {name} must be above 0, not {epochs}"
                )
    return groups


def _budget(mixture: Mixture, sizes: Sequence[int]) -> int:
    if mixture.tokens and mixture.epochs:
        raise UsageError("tokens: a mixture has a budget of tokens or of epochs, not both")
    if all(group.epochs for group in mixture.group):
        if mixture.tokens or mixture.epochs:
            raise UsageError("tokens: every group has epochs, and they add up to a budget already")
        each = zip(mixture.group, sizes, strict=True)
        return max(1, round(sum((group.epochs or 0) * size for group, size in each)))
    return mixture.tokens or max(1, round((mixture.epochs or 1) * sum(sizes)))


def _group_shares(
    mixture: Mixture, sizes: Sequence[int], budget: int, heldout: bool
) -> list[float]:
    """Return each group's share: epochs first, then the weights divide what they leave."""
    shares = [0.0] * len(sizes)
    weights = 0.0
    for index, group in enumerate(mixture.group):
        if (group.weight is None) == (group.epochs is None):
            raise UsageError(
                f"group[{index}]: {group.name!r} needs a weight or epochs, one of the two"
            )
        if group.epochs is not None:
            shares[index] = (1.0 if heldout else group.epochs) * sizes[index] / budget
        weights += group.weight or 0.0
    left = 1 - sum(shares)
    if weights and left <= 0:
        raise UsageError("tokens: the groups with epochs leave nothing of the budget to the others")
    for index, group in enumerate(mixture.group):
        if group.weight is not None:
            shares[index] = left * group.weight / weights
    return shares


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of an error about an unknown name: the nearest known one, or some of them."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    listed = ", ".join(sorted(known)[:LISTED])
    more = len(known) - LISTED
    return f"there are: {listed}" + (f" and {more} more" if more > 0 else "")
