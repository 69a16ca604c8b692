"""Decisions on the rows of a part: the content of documents/ and decisions/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters import decontamination, document_ids
from filters.licenses.policy import Finding, Policy, judge_licenses, load_policy
from filters.opt_outs import RULE as OPTED_OUT
from filters.quality import registry
from filters.quality.batch import Batch
from filters.scancode.client import Detector
from manifests.lineage.counting import count_documents, funnels
from manifests.lineage.receipts import Counts, Funnel
from manifests.schemas import DOCUMENTS, decisions
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.source_table import Source
from pipelines.license_filter.header_veto import NO_HEADERS, Headers, read_headers
from pipelines.license_filter.reference_lists import ReferenceLists
from pipelines.sources import partition
from pipelines.sources.layout import SourceLayout

NOT_CHOSEN = "component_not_chosen"


@dataclass(frozen=True)
class Decisions:
    """The rows of a part, sorted by component, and the decision on each row."""

    rows: pa.Table
    """ROWS, with `component` as `source/slug`."""
    columns: Mapping[str, Any]
    """Name -> one value for each row: id, bytes, heldout, rule, detail, license, license_layer, and
    the scores."""
    policy: str
    """Label of the policy, as `policy_label` returns it."""
    scores: tuple[str, ...]
    """Names of the scores."""
    source: str
    counts: Counts
    """Counts of the header veto, for the receipt."""

    def documents(self) -> pa.Table:
        """Return the kept rows as DOCUMENTS."""
        columns = {**{name: self.rows[name] for name in self.rows.column_names}, **self.columns}
        columns["source"] = [self.source] * self.rows.num_rows
        table = pa.table({name: columns[name] for name in DOCUMENTS.names}, schema=DOCUMENTS)
        return _by_component(table.filter(pa.array(self.kept)))

    def decisions(self) -> pa.Table:
        """Return the decision on every row, with the scores."""
        schema = decisions(list(self.scores))
        policy = [self.policy] * self.rows.num_rows
        parts = (self.columns["license"], self.columns["license_layer"], policy)
        evidence = pa.StructArray.from_arrays(
            [pa.array(part, pa.string()) for part in (*parts, self.columns["detail"])],
            fields=list(schema.field("evidence").type),
        )
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
            schema=schema,
        )
        return _by_component(table)

    @property
    def bytes(self) -> int:
        """Bytes of text of all rows."""
        return int(pc.sum(self.columns["bytes"]).as_py() or 0)

    @property
    def kept(self) -> list[bool]:
        """Whether each row is kept."""
        return [rule is None for rule in self.columns["rule"]]

    def funnel(self) -> Funnel:
        """Return counts by component and rule; a row counts for the first rule that rejects it."""
        table = pa.table(
            {
                "component": self.rows["component"],
                "rule": pa.array(self.columns["rule"], pa.string()),
                "bytes": self.columns["bytes"],
            }
        )
        components = funnels(count_documents(table, ["component", "rule"]))
        return {self.source: components} if components else {}


def decide(
    source: Source,
    corpus: Corpus,
    rows: pa.Table,
    lists: ReferenceLists,
    detector: Detector,
    heldout: str | None = None,
) -> Decisions:
    """Return the decisions on the rows of a part; the first rule that rejects a row is its rule.

    Args:
        source: the source of the rows.
        corpus: the corpus of the source.
        rows: table of the schema ROWS.
        lists: the reference lists of the corpus.
        detector: detects licenses in headers.
        heldout: group of documents that is held out besides the share, as in plan.parquet.
    """
    rows = _by_component(rows)
    texts = pc.fill_null(rows["text"], "").combine_chunks()
    repositories = rows["repositories"].to_pylist()
    paths = rows["path"].to_pylist()
    ids = document_ids.document_ids(source.name, repositories, paths, texts)
    policy = load_policy(source.license.policy)
    faults, others = rows["fault"].to_pylist(), not_chosen(source, rows)
    headers = NO_HEADERS
    if source.header == "veto":
        has_header = map(source.layout.has_header, rows["component"].to_pylist())
        wanted = [
            has and not fault and not other
            for has, fault, other in zip(has_header, faults, others, strict=True)
        ]
        headers = read_headers(texts, np.array(wanted, bool), policy, detector)
    layers = other_layers(source, rows, headers)
    stated = rows["licenses"].to_pylist()
    licenses = judge_licenses(policy, stated, source.missing, layers)
    scores, filtered = registry.apply(
        registry.settings(corpus.filters, source.layout.all_filters),
        _batch(source.layout, rows["component"].to_pylist(), paths, texts),
    )
    opted_out = lists.opt_outs.matches(repositories, paths, ids.to_pylist())
    hits = decontamination.find(lists.benchmarks, texts)
    reasons = (
        faults,
        others,
        [entry and OPTED_OUT for entry in opted_out],
        licenses.rule,
        filtered,
        [hit and decontamination.RULE for hit in hits],
    )
    columns = {
        "id": ids,
        "bytes": pc.binary_length(texts).cast(pa.int64()),
        "heldout": pa.array(
            document_ids.heldout(repositories, ids, corpus.tokenize.heldout, heldout)
        ),
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
    return Decisions(named, columns, label, tuple(scores), source.name, headers.counts)


def _batch(
    layout: SourceLayout, components: Sequence[str], paths: Sequence[str], texts: Any
) -> Batch:
    """Return documents as the filters know them."""
    names = [partition.base(name) for name in components]
    languages = list(map(layout.language, names, paths))
    return Batch(list(map(layout.genre, names)), languages, paths, texts)


def other_layers(source: Source, rows: pa.Table, headers: Headers) -> dict[int, list[Finding]]:
    """Return row -> findings about its license, of its own header and of its component."""
    layers = {row: [finding] for row, finding in headers.findings.items()}
    layout = source.layout
    for row, name in enumerate(rows["component"].to_pylist()):
        if finding := layout.component_license(name):
            layers.setdefault(row, []).append(finding)
    return layers


def policy_label(policy: Policy) -> str:
    """Return the label of a policy in evidence: NAME@DIGEST with 12 characters of the digest."""
    return f"{policy.name}@{policy.digest[:12]}"


def _by_component(rows: pa.Table) -> pa.Table:
    """Return rows sorted by component, in input order within a component.

    So the row groups of a component hold no documents of another component.
    """
    names = np.asarray(rows["component"].to_pylist(), dtype=object)
    order = np.argsort(names, kind="stable")
    return rows.take(pa.array(order)) if np.any(order[1:] < order[:-1]) else rows


def _named(
    source: Source, rows: pa.Table, licenses: Sequence[str | None], rules: Sequence[str | None]
) -> pa.Table:
    """Return rows with full names of components: `source/slug`, divided by `partition_by`."""
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


def not_chosen(source: Source, rows: pa.Table) -> list[str | None]:
    """Return the rule NOT_CHOSEN for each row of a component that is not chosen, else None."""
    chosen = source.chosen
    return [
        None if chosen is None or partition.base(name) in chosen else NOT_CHOSEN
        for name in rows["component"].to_pylist()
    ]
