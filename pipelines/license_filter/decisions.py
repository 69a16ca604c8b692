"""Which rows of a part may be trained on, and why: what documents/ and decisions/ hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters import decontamination, document_ids
from filters.dedup.survivor_rank import ALLOWED, UNKNOWN
from filters.licenses.policy import Finding, Policy, judge_licenses, load_policy
from filters.opt_outs import RULE as OPTED_OUT
from filters.quality import registry
from filters.quality.batch import Batch
from filters.scancode.client import Detector
from manifests.lineage.receipts import ComponentFunnel, Count, Funnel
from manifests.schemas import DOCUMENTS, decisions
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.source_table import Source
from pipelines.license_filter.header_veto import NOTHING, Headers, read_headers
from pipelines.license_filter.reference_lists import Lists
from pipelines.license_filter.repository_licenses import Repositories
from pipelines.sources import partition

NOT_CHOSEN = "component_not_chosen"

VERDICT = {"header": ALLOWED, "repository": ALLOWED, "source": UNKNOWN}
"""What a license is known from -> what a survivor is ranked by."""


@dataclass(frozen=True)
class Decided:
    """Rows of a part, sorted by language or set, and what was decided of each."""

    rows: pa.Table
    """ROWS, with `component` as `source/slug`."""
    columns: Mapping[str, Any]
    """id, bytes, heldout, rule, detail, license, license_layer and the scores, an entry a row."""
    policy: str
    scores: tuple[str, ...]
    source: str
    counts: dict[str, int | dict[str, int]]

    def documents(self) -> pa.Table:
        """Return the kept rows as DOCUMENTS."""
        columns = {**{name: self.rows[name] for name in self.rows.column_names}, **self.columns}
        columns["source"] = [self.source] * self.rows.num_rows
        table = pa.table({name: columns[name] for name in DOCUMENTS.names}, schema=DOCUMENTS)
        return _by_component(table.filter(pa.array(self.kept)))

    def decisions(self) -> pa.Table:
        """Return every row as it was decided."""
        evidence = [
            {"license": license, "layer": layer, "policy": self.policy, "detail": detail}
            for license, layer, detail in zip(
                *(self.columns[name] for name in ("license", "license_layer", "detail")),
                strict=True,
            )
        ]
        table = pa.table(
            {
                "input_row": self.rows["input_row"],
                "id": self.columns["id"],
                "component": self.rows["component"],
                "bytes": self.columns["bytes"],
                "kept": self.kept,
                "rule": self.columns["rule"],
                "evidence": evidence,
                **{score: self.columns[score] for score in self.scores},
            },
            schema=decisions(list(self.scores)),
        )
        return _by_component(table)

    @property
    def bytes(self) -> int:
        """Text of all rows."""
        return int(pc.sum(self.columns["bytes"]).as_py() or 0)

    @property
    def kept(self) -> list[bool]:
        """Whether each row stays."""
        return [rule is None for rule in self.columns["rule"]]

    def funnel(self) -> Funnel:
        """Count every row once: kept, or under the first rule that rejected it."""
        counted: dict[str, dict[str | None, list[int]]] = {}
        sizes = self.columns["bytes"].to_pylist()
        columns = (self.rows["component"].to_pylist(), self.columns["rule"], sizes)
        for component, rule, size in zip(*columns, strict=True):
            cell = counted.setdefault(component, {}).setdefault(rule, [0, 0])
            cell[0] += 1
            cell[1] += size
        return {self.source: {c: _funnel(rules) for c, rules in counted.items()}} if counted else {}


def _funnel(rules: Mapping[str | None, list[int]]) -> ComponentFunnel:
    """Turn rule -> [documents, bytes], None for the kept ones, into a funnel."""
    documents, size = rules.get(None, [0, 0])
    return ComponentFunnel(
        documents_in=sum(cell[0] for cell in rules.values()),
        bytes_in=sum(cell[1] for cell in rules.values()),
        rejected={
            rule: Count(documents=cell[0], bytes=cell[1])
            for rule, cell in sorted(rules.items(), key=str)
            if rule is not None
        },
        documents=documents,
        bytes=size,
    )


def with_licenses(rows: pa.Table, repositories: Repositories | None) -> pa.Table:
    """Give the rows without licenses those of their repositories."""
    if repositories is None:
        return rows
    pairs = zip(rows["licenses"].to_pylist(), rows["repositories"].to_pylist(), strict=True)
    said = [own or repositories.licenses(names) for own, names in pairs]
    index = rows.schema.get_field_index("licenses")
    kind = rows.schema.field(index)
    return rows.set_column(index, kind, pa.array(said, kind.type))


def decide(
    source: Source, corpus: Corpus, rows: pa.Table, lists: Lists, detector: Detector
) -> Decided:
    """Decide every row of a part: the first rule that rejects it is its reason."""
    rows = _by_component(rows)
    texts = pc.fill_null(rows["text"], "").combine_chunks()
    repositories = rows["repositories"].to_pylist()
    paths = rows["path"].to_pylist()
    ids = document_ids.document_ids(source.name, repositories, paths, texts)
    policy = load_policy(source.license.policy)
    faults, not_chosen = rows["fault"].to_pylist(), _not_chosen(source, rows)
    headers = NOTHING
    if source.header == "veto":
        wanted = [not any(reasons) for reasons in zip(faults, not_chosen, strict=True)]
        headers = read_headers(texts, np.array(wanted, bool), policy, detector)
    said = rows["licenses"].to_pylist()
    layers = _other_layers(source, rows, headers)
    licenses = judge_licenses(policy, said, source.missing, layers)
    languages = [partition.base(name) for name in rows["component"].to_pylist()]
    batch = Batch([source.layout.genre(name) for name in languages], languages, paths, texts)
    scores, filtered = registry.apply(registry.settings(corpus.filters), batch)
    opted_out = lists.opt_outs.matches(repositories, paths, ids.to_pylist())
    hits = decontamination.find(lists.benchmarks, texts)
    reasons = (
        faults,
        not_chosen,
        [entry and OPTED_OUT for entry in opted_out],
        licenses.rule,
        filtered,
        [hit and decontamination.RULE for hit in hits],
    )
    columns = {
        "id": ids,
        "bytes": pc.binary_length(texts).cast(pa.int64()),
        "heldout": pa.array(document_ids.heldout(repositories, ids, corpus.tokenize.heldout)),
        "rule": [next(filter(None, reason), None) for reason in zip(*reasons, strict=True)],
        "detail": [
            "; ".join(filter(None, (entry, headers.details.get(row), hit and str(hit)))) or None
            for row, (entry, hit) in enumerate(zip(opted_out, hits, strict=True))
        ],
        "license": licenses.expression,
        "license_layer": licenses.layer,
        **{name: pa.array(values) for name, values in scores.items()},
    }
    label = policy_label(policy)
    named = _named(source, rows, columns["license"], columns["rule"])
    return Decided(named, columns, label, tuple(scores), source.name, headers.counts)


def _other_layers(source: Source, rows: pa.Table, headers: Headers) -> dict[int, list[Finding]]:
    """What is known of a row's license besides its repositories: by its own text, by its set."""
    layers = {row: [finding] for row, finding in headers.findings.items()}
    layout = source.layout
    for row, name in enumerate(rows["component"].to_pylist()):
        if finding := layout.component_license(name):
            layers.setdefault(row, []).append(finding)
    return layers


def policy_label(policy: Policy) -> str:
    """Return how evidence names a policy: NAME@DIGEST, the digest cut to 12 characters."""
    return f"{policy.name}@{policy.digest[:12]}"


def _by_component(rows: pa.Table) -> pa.Table:
    """Sort by component, input order kept within each.

    So a component's documents are row groups of their own, and reading one never reads another.
    """
    names = np.asarray(rows["component"].to_pylist(), dtype=object)
    order = np.argsort(names, kind="stable")
    return rows.take(pa.array(order)) if np.any(order[1:] < order[:-1]) else rows


def _named(
    source: Source, rows: pa.Table, licenses: Sequence[str | None], rules: Sequence[str | None]
) -> pa.Table:
    """Name components in full, as `source/slug`, cut by the columns of `partition_by`."""
    names = rows["component"].to_pylist()
    if source.partition_by:
        names = [
            partition.partitioned(name, source.partition_by, license, rule is not None)
            for name, license, rule in zip(names, licenses, rules, strict=True)
        ]
        partition.check(source.name, names)
    names = [f"{source.name}/{name}" for name in names]
    index = rows.schema.get_field_index("component")
    return rows.set_column(index, rows.schema.field(index), pa.array(names, pa.string()))


def _not_chosen(source: Source, rows: pa.Table) -> list[str | None]:
    chosen = source.chosen
    return [
        None if chosen is None or partition.base(name) in chosen else NOT_CHOSEN
        for name in rows["component"].to_pylist()
    ]
