"""Opting out after the fact: find documents beside the shards, and write a tombstone of them."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.opt_outs import OptOuts, listed, load_opt_outs
from manifests.console import formatting
from manifests.dataset.dataset import read_shard_table, tokenizer_of
from manifests.dataset.shard_index import ShardPlace, bounds, read_documents, shard_places
from manifests.dataset.tombstone_file import TOMBSTONE, tombstone_url
from manifests.dataset.tombstones import Tombstones, write_tombstone
from manifests.errors import UsageError
from manifests.lineage.manifest import load_manifest

THREADS = 8
"""Tables searched at once: decompressing leaves the interpreter's lock, object stores wait."""

UNKNOWN = "NOASSERTION"
"""SPDX's word for a document of which no license is known."""

NAMED = 8
"""Entries without a document that are named; --json has all."""

PLACE = ("repositories", "path", "id")
"""What opt-outs speak of."""

COLUMNS = [*PLACE, "license", "tokens"]


@dataclass(frozen=True)
class Asked:
    """What is to be forgotten.

    Attributes:
        opt_outs: owners, repositories, paths and ids; every repository of a document counts.
        licenses: SPDX ids; a document goes whose expression names one, however it is joined.
    """

    opt_outs: OptOuts
    licenses: frozenset[str]

    @classmethod
    def of(
        cls,
        lists: Sequence[str] = (),
        owners: Sequence[str] = (),
        ids: Sequence[str] = (),
        licenses: Sequence[str] = (),
    ) -> "Asked":
        """Return what options ask for.

        Raises:
            UsageError: nothing is asked for, a list is missing, or an entry is not what it must be.
        """
        for id in ids:
            if not re.fullmatch("[0-9a-f]{32}", id):
                raise UsageError(f"--ids: {id!r} is not an id: 32 of the digits 0-9a-f")
        for owner in owners:
            if "/" in owner:
                raise UsageError(f"--owners: {owner!r} is not an owner; repositories go in --repos")
        if not all(licenses):
            raise UsageError("--licenses: one is empty; those of no known license are NOASSERTION")
        named = listed([*(("--owners", each) for each in owners), *(("--ids", i) for i in ids)])
        asked = cls(load_opt_outs(lists) | named, frozenset(licenses))
        if not asked.words():
            raise UsageError(
                "forget: name --repos FILE, --owners, --ids or --licenses: none is given"
            )
        return asked

    def words(self) -> list[str]:
        """Return every entry in words."""
        return [*self.opt_outs.words(), *sorted(f"license {name}" for name in self.licenses)]

    def reasons(self, documents: pa.Table) -> list[str | None]:
        """Return for each document of a table an entry that it goes by; None where it stays."""
        by_license = {
            expression: self._license(expression)
            for expression in pc.unique(documents["license"]).to_pylist()
        }
        found = self.opt_outs.matches(*(documents[name].to_pylist() for name in PLACE))
        if any(by_license.values()):
            expressions = documents["license"].to_pylist()
            found = [f or by_license[e] for f, e in zip(found, expressions, strict=True)]
        return found

    def entries(self, documents: pa.Table) -> set[str]:
        """Return every entry that any document of a table goes by."""
        rows = zip(*(documents[name].to_pylist() for name in PLACE), strict=True)
        found = {entry for row in rows for entry in self.opt_outs.entries(*row)}
        for expression in pc.unique(documents["license"]).to_pylist():
            found.update(self._licenses(expression))
        return found

    def _license(self, expression: str | None) -> str | None:
        return next(iter(self._licenses(expression)), None)

    def _licenses(self, expression: str | None) -> list[str]:
        names = re.findall(r"[^\s()]+", expression or UNKNOWN)
        present = {name.lower() for name in names}
        return [f"license {name}" for name in sorted(self.licenses) if name.lower() in present]


def forget(directory: str, asked: Asked) -> dict[str, Any]:
    """Write a tombstone of what is asked for, and say what it forgets; obeyed at once.

    Args:
        directory: of a tokenized dataset.
        asked: whose documents.

    Returns:
        For JSON: `tombstone` (its path; None where there was nothing left to forget), `documents`
        and `tokens` that it forgets, `already` (documents of it that were forgotten before),
        `components` (name -> documents and tokens), `unused` (entries that took no document), and
        `stale`: tombstones of shards that are no more, which `clean` removes.

    Raises:
        DataError: a table beside a shard is missing, or is not the one that was written.
    """
    manifest = load_manifest(directory)
    tokenizer_of(directory, manifest)
    places = shard_places(read_shard_table(directory, manifest))

    def search(place: ShardPlace) -> tuple[pa.Table, set[str]]:
        return _of_shard(directory, place, asked)

    with ThreadPoolExecutor(THREADS) as pool:
        shards = list(pool.map(search, places))
    found = pa.concat_tables([TOMBSTONE.empty_table(), *(rows for rows, _ in shards)])
    before = Tombstones(directory, manifest)
    new = _is_new(found, before.fitting())
    added = found.filter(pa.array(new))
    name = write_tombstone(directory, manifest, found) if added.num_rows else None
    took = {entry for _, entries in shards for entry in entries}
    return {
        "directory": directory,
        "tombstone": name and tombstone_url(directory, name),
        **_counts(added),
        "already": found.num_rows - added.num_rows,
        "components": {
            component: _counts(added.filter(pc.equal(added["component"], component)))
            for component in sorted(set(added["component"].to_pylist()))
        },
        "unused": [words for words in asked.words() if words not in took],
        "stale": list(before.stale),
    }


def _of_shard(directory: str, place: ShardPlace, asked: Asked) -> tuple[pa.Table, set[str]]:
    """Return what goes of a shard, of the schema TOMBSTONE, and every entry that takes of it."""
    documents = read_documents(directory, place, COLUMNS)
    edges = bounds(place, documents)
    name, heldout = place.component
    reasons = pa.array(asked.reasons(documents), pa.string())
    whole = pa.table(
        {
            "component": pa.array([name] * documents.num_rows, pa.string()),
            "heldout": pa.array([heldout] * documents.num_rows, pa.bool_()),
            "start": edges[:-1],
            "stop": edges[1:],
            "reason": reasons,
        }
    )
    goes = pc.is_valid(reasons)
    return whole.filter(goes).cast(TOMBSTONE), asked.entries(documents.filter(goes))


def _is_new(found: pa.Table, before: Tombstones) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which rows of the schema TOMBSTONE are not forgotten yet: bool [n]."""
    new = np.ones(found.num_rows, bool)
    starts = found["start"].to_numpy()
    for component, heldout in before.components:
        mine = pc.and_(
            pc.equal(found["component"], component), pc.equal(found["heldout"], heldout)
        ).to_numpy()
        known = before.documents(component, heldout)[:, 0]
        new[mine] = ~np.isin(starts[mine], known)
    return new


def _counts(rows: pa.Table) -> dict[str, int]:
    addresses = pc.sum(pc.subtract(rows["stop"], rows["start"])).as_py() or 0
    return {"documents": rows.num_rows, "tokens": addresses - rows.num_rows}


def render(told: Mapping[str, Any]) -> str:
    """Return what `forget` says for people."""
    lines = [
        f"forgotten: {formatting.plural(told['documents'], 'document')}, "
        f"{formatting.plural(told['tokens'], 'token')}: {told['tombstone']}"
        if told["tombstone"]
        else f"{told['directory']}: nothing new to forget"
    ]
    for name, each in told["components"].items():
        lines.append(
            f"  {name}  {formatting.plural(each['documents'], 'document')}, "
            f"{formatting.plural(each['tokens'], 'token')}"
        )
    if told["already"]:
        lines.append(f"forgotten before: {formatting.plural(told['already'], 'document')}")
    if told["unused"]:
        more = len(told["unused"]) - NAMED
        rest = f" and {more} more" if more > 0 else ""
        lines.append(f"no document here for {', '.join(told['unused'][:NAMED])}{rest}")
    if told["stale"]:
        lines.append(
            f"{formatting.plural(len(told['stale']), 'tombstone')} of shards that are no more: "
            "once everything is forgotten again that they forgot, `stackpile clean "
            f"{told['directory']} --yes` takes them away, and readers go on"
        )
    if told["tombstone"]:
        lines.append(
            "the tokens still lie in the shards, and other readers see them, until "
            "`stackpile compact`; texts still lie in documents/"
        )
    return "\n".join(lines)
