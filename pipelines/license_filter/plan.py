"""The plan: every input of a corpus, cut into parts, in the order that numbers them."""

from typing import Any

import pyarrow as pa

from filters.licenses.policy import load_policy
from filters.quality import registry
from manifests import components
from manifests.io.digest import digest, short_digest
from manifests.schemas import FORMAT, PLAN
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.inputs import list_ranges
from pipelines.corpus.source_table import Source
from pipelines.license_filter import header_veto, repository_licenses
from pipelines.license_filter.reference_lists import Held


def step_digest(corpus: Corpus, source: Source, lists: Held) -> str:
    """Return the digest of all that decides what license_filter makes of a source's rows."""
    policy = load_policy(source.license.policy)
    return digest(
        {
            "format": FORMAT,
            "step": "license_filter",
            "source": source.name,
            "kind": source.kind,
            "columns": source.columns.model_dump() if source.columns else None,
            "component": source.component,
            "components": sorted(source.chosen) if source.chosen is not None else None,
            # As it was before there were any, so that what was made then stays.
            **({"partition_by": source.partition_by} if source.partition_by else {}),
            "policy": policy.digest,
            "missing": source.missing,
            "repositories": repository_licenses.table_name(
                corpus.named(source.license.repositories)
            )
            if source.license.repositories
            else None,
            "sets": source.layout.component_licenses_digest(),
            "header": header_veto.identity() if source.header == "veto" else None,
            "filters": registry.identity(corpus.filters),
            "benchmarks": lists.benchmarks,
            "opt_outs": lists.opt_outs,
            "heldout": corpus.tokenize.heldout,
            "table": components.table().digest,
        }
    )


def part_name(row: dict[str, Any], piece: int = 0) -> str:
    """Return the name of a part: the digest of what it is read from and of what is done to it.

    A row of the plan without a `stop` becomes as many parts as it takes, numbered by `piece`.
    """
    identity = ("source", "input", "bytes", "version", "start", "stop", "step")
    return short_digest([*(row[field] for field in identity), piece])


def make_plan(corpus: Corpus, lists: Held) -> pa.Table:
    """Return the plan of a corpus, whose lists hold `lists`, as a table of the schema PLAN.

    Raises:
        DataError: a source's pattern matches no file, or only files that cannot be read.
    """
    steps = {source.name: step_digest(corpus, source, lists) for source in corpus.source}
    rows = [{**vars(unit), "step": steps[unit.source]} for unit in list_ranges(corpus)]
    return pa.Table.from_pylist([{**row, "part": part_name(row)} for row in rows], schema=PLAN)
