"""Forget documents of a finished dataset: find them beside the shards and write a tombstone."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.opt_outs import OptOuts, load_opt_outs, parse_opt_outs
from manifests.console import formatting
from manifests.dataset.dataset import tokenizer_of
from manifests.dataset.shard_index import (
    ShardEntry,
    document_bounds,
    read_documents,
    read_shard_table,
    shard_entries,
)
from manifests.dataset.tombstone_file import TOMBSTONE, tombstone_url
from manifests.dataset.tombstones import Tombstones, write_tombstone
from manifests.errors import UsageError
from manifests.io.files import READ_THREADS
from manifests.lineage.manifest import load_manifest

UNKNOWN = "NOASSERTION"
"""SPDX's word for a document without a known license."""

NAMED = 8
"""Entries without a document that the table names. --json has all entries."""

IDENTITY = ("repositories", "path", "id")
"""Columns that opt-outs refer to."""

COLUMNS = [*IDENTITY, "license", "tokens"]


@dataclass(frozen=True)
class ForgetRequest:
    """Which documents to forget.

    Attributes:
        opt_outs: owners, repositories, paths and ids. Every repository of a document counts.
        licenses: SPDX ids. A document whose license expression contains one of them is forgotten,
            whether AND or OR joins the expression.
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
    ) -> "ForgetRequest":
        """Return the request of command-line options.

        Args:
            lists: paths or URLs of opt-out lists.
            owners: names of owners.
            ids: document ids, 32 hexadecimal digits each.
            licenses: SPDX ids, or NOASSERTION.

        Raises:
            UsageError: the options name nothing, a list is missing, or an entry is not valid.
        """
        for id in ids:
            if not re.fullmatch("[0-9a-f]{32}", id):
                raise UsageError(f"--ids: {id!r} is not an id: 32 of the digits 0-9a-f")
        for owner in owners:
            if "/" in owner:
                raise UsageError(f"--owners: {owner!r} is not an owner; repositories go in --repos")
        if not all(licenses):
            raise UsageError("--licenses: an id is empty; NOASSERTION stands for no known license")
        named = parse_opt_outs([*(("--owners", o) for o in owners), *(("--ids", i) for i in ids)])
        request = cls(load_opt_outs(lists) | named, frozenset(licenses))
        if not request.descriptions():
            raise UsageError(
                "forget: name --repos FILE, --owners, --ids or --licenses: none is given"
            )
        return request

    def descriptions(self) -> list[str]:
        """Return every entry as text: "owner NAME", "license MIT" ..."""
        return [*self.opt_outs.describe(), *sorted(f"license {name}" for name in self.licenses)]

    def reasons(self, documents: pa.Table) -> list[str | None]:
        """Return for each document of a table an entry that matches; None where no entry does."""
        by_license = self._by_license(documents)
        expressions = documents["license"].to_pylist()
        reasons = self.opt_outs.matches(*(documents[name].to_pylist() for name in IDENTITY))
        return [
            reason or next(iter(by_license[expression]), None)
            for reason, expression in zip(reasons, expressions, strict=True)
        ]

    def entries(self, documents: pa.Table) -> set[str]:
        """Return every entry that matches a document of a table."""
        rows = zip(*(documents[name].to_pylist() for name in IDENTITY), strict=True)
        entries = {entry for row in rows for entry in self.opt_outs.entries(*row)}
        return entries.union(*self._by_license(documents).values())

    def _by_license(self, documents: pa.Table) -> dict[str | None, list[str]]:
        """Return license expression -> every entry that the expression contains."""
        entries: dict[str | None, list[str]] = {}
        for expression in pc.unique(documents["license"]).to_pylist():
            present = re.findall(r"[^\s()]+", (expression or UNKNOWN).lower())
            named = (name for name in sorted(self.licenses) if name.lower() in present)
            entries[expression] = [f"license {name}" for name in named]
        return entries


def forget(directory: str, request: ForgetRequest) -> dict[str, Any]:
    """Write a tombstone of the requested documents. Readers exclude the documents at once.

    Args:
        directory: the directory of a tokenized dataset.
        request: which documents to forget.

    Returns:
        A JSON object: `tombstone` (the path; None without a new document), `documents` and
        `tokens` of the new documents, `already` (documents that an older tombstone forgets),
        `components` (name -> documents and tokens), `unused` (entries that match no document), and
        `stale` (tombstones of shards that no longer exist; `clean` removes them).

    Raises:
        DataError: a table beside a shard is missing or damaged.
    """
    manifest = load_manifest(directory)
    tokenizer_of(directory, manifest)
    places = shard_entries(read_shard_table(directory, manifest))
    with ThreadPoolExecutor(READ_THREADS) as pool:
        shards = list(pool.map(lambda place: _search_shard(directory, place, request), places))
    matching = pa.concat_tables([TOMBSTONE.empty_table(), *(rows for rows, _ in shards)])
    before = Tombstones(directory, manifest)
    new = _is_new(matching, before.fitting())
    added = matching.filter(pa.array(new))
    name = write_tombstone(directory, manifest, matching) if added.num_rows else None
    used = set[str]().union(*(entries for _, entries in shards))
    return {
        "directory": directory,
        "tombstone": name and tombstone_url(directory, name),
        **_counts(added),
        "already": matching.num_rows - added.num_rows,
        "components": {
            component: _counts(added.filter(pc.equal(added["component"], component)))
            for component in sorted(set(added["component"].to_pylist()))
        },
        "unused": [entry for entry in request.descriptions() if entry not in used],
        "stale": list(before.stale),
    }


def _search_shard(
    directory: str, place: ShardEntry, request: ForgetRequest
) -> tuple[pa.Table, set[str]]:
    """Return the matching documents of a shard, in the schema TOMBSTONE, and the entries used."""
    documents = read_documents(directory, place.row, COLUMNS)
    edges = document_bounds(place, documents)
    name, heldout = place.component
    reasons = pa.array(request.reasons(documents), pa.string())
    whole = pa.table(
        {
            "component": pa.array([name] * documents.num_rows, pa.string()),
            "heldout": pa.array([heldout] * documents.num_rows, pa.bool_()),
            "start": edges[:-1],
            "stop": edges[1:],
            "reason": reasons,
        }
    )
    matches = pc.is_valid(reasons)
    return whole.filter(matches).cast(TOMBSTONE), request.entries(documents.filter(matches))


def _is_new(matching: pa.Table, before: Tombstones) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which rows of the schema TOMBSTONE no older tombstone forgets: bool [n]."""
    new = np.ones(matching.num_rows, bool)
    starts = matching["start"].to_numpy()
    for component, heldout in before.components:
        rows = pc.and_(
            pc.equal(matching["component"], component), pc.equal(matching["heldout"], heldout)
        ).to_numpy()
        known = before.documents(component, heldout)[:, 0]
        new[rows] = ~np.isin(starts[rows], known)
    return new


def _counts(rows: pa.Table) -> dict[str, int]:
    """Count documents and tokens. A document has one address more than tokens: its end."""
    addresses = pc.sum(pc.subtract(rows["stop"], rows["start"])).as_py() or 0
    return {"documents": rows.num_rows, "tokens": addresses - rows.num_rows}


def forgotten_text(result: Mapping[str, Any]) -> str:
    """Return the result of `forget` as text for the terminal."""
    lines = [
        f"forgotten: {formatting.plural(result['documents'], 'document')}, "
        f"{formatting.plural(result['tokens'], 'token')}: {result['tombstone']}"
        if result["tombstone"]
        else f"{result['directory']}: nothing new to forget"
    ]
    for name, counts in result["components"].items():
        lines.append(
            f"  {name}  {formatting.plural(counts['documents'], 'document')}, "
            f"{formatting.plural(counts['tokens'], 'token')}"
        )
    if result["already"]:
        lines.append(f"forgotten before: {formatting.plural(result['already'], 'document')}")
    if result["unused"]:
        more = len(result["unused"]) - NAMED
        rest = f" and {more} more" if more > 0 else ""
        lines.append(f"no document here for {', '.join(result['unused'][:NAMED])}{rest}")
    if result["stale"]:
        lines.append(
            f"{formatting.plural(len(result['stale']), 'tombstone')} of shards that are gone: run "
            "`stackpile forget` again with the same lists, then `stackpile clean "
            f"{result['directory']} --yes`"
        )
    if result["tombstone"]:
        lines.append(
            "the tokens are still in the shards, where other readers see them, until "
            "`stackpile compact`; the texts are still in documents/"
        )
    return "\n".join(lines)
