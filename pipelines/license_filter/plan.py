"""The plan: all inputs of a corpus, cut into parts, in the order that numbers the parts."""

from typing import cast

import pyarrow as pa

from filters.licenses.policy import load_policy
from filters.quality import registry
from manifests import components
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.schemas import FORMAT, PLAN, PlanRow
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.inputs import list_ranges
from pipelines.corpus.source_table import Source
from pipelines.license_filter import header_veto, package_choices, repository_licenses
from pipelines.license_filter.heldout import choose_heldout
from pipelines.license_filter.reference_lists import ListDigests


def step_digest(
    corpus: Corpus, source: Source, digests: ListDigests, heldout: str | None = None
) -> str:
    """Return the digest of everything but the input that decides the output of a source's rows."""
    return digest(
        {
            "format": FORMAT,
            "step": "license_filter",
            "source": source.name,
            "kind": [source.kind, source.layout.version],
            "columns": source.columns.model_dump() if source.columns else None,
            "component": source.component,
            "components": sorted(source.chosen) if source.chosen is not None else None,
            "partition_by": source.partition_by,
            "policy": load_policy(source.license.policy).digest,
            "missing": source.missing,
            "repositories": _repository_tables(corpus, source) or None,
            "sets": source.layout.component_licenses_digest(),
            "header": header_veto.identity() if source.header == "veto" else None,
            "filters": registry.identity(corpus.filters, source.layout.all_filters),
            "benchmarks": digests.benchmarks,
            "opt_outs": digests.opt_outs,
            "heldout": [corpus.tokenize.heldout, heldout],
            "table": components.table().digest,
        }
    )


def _repository_tables(corpus: Corpus, source: Source) -> dict[str, str]:
    """Return the names of the tables of repositories that a source needs."""
    names = {}
    if source.license.repositories:
        urls = files.glob(corpus.named(source.license.repositories).files)
        names["licenses"] = repository_licenses.table_name(urls)
    if urls := package_choices.package_inputs(corpus.licensing(source)):
        names["packages"] = repository_licenses.table_name(urls)
    return names


def part_name(row: PlanRow, number: int = 0) -> str:
    """Return the name of a part: the digest of its input, its range and its step.

    Args:
        row: a row of the plan. A row whose `stop` is None becomes as many parts as needed.
        number: number of the part in the row, from 0.
    """
    place = [row["source"], row["input"], row["bytes"], row["version"], row["start"], row["stop"]]
    return short_digest([*place, row["step"], number])


def make_plan(corpus: Corpus, digests: ListDigests) -> pa.Table:
    """Return the plan of a corpus as a table of the schema PLAN.

    Args:
        corpus: the corpus.
        digests: the digests of its reference lists.

    Raises:
        DataError: the pattern of a source matches no file, or no file of the chosen components.
    """
    ranges = list_ranges(corpus)
    heldout = choose_heldout(corpus, ranges)
    steps = {source.name: step_digest(corpus, source, digests, heldout) for source in corpus.source}
    units = [{**vars(unit), "step": steps[unit.source], "heldout": heldout} for unit in ranges]
    rows = [{**unit, "part": part_name(cast(PlanRow, unit))} for unit in units]
    return pa.Table.from_pylist(rows, schema=PLAN)
