"""The plan: every input of a corpus, cut into parts, in the order that numbers them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from filters.licenses.policy import load_policy
from filters.quality import registry
from manifests import components
from manifests.errors import DataError, InputError
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.schemas import FORMAT, PLAN
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.source_table import Source
from pipelines.license_filter import header_veto, repository_licenses
from pipelines.license_filter.reference_lists import Held

THREADS = 16
"""Footers read at once: waiting for a disk or an object store, not computing."""


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
    rows = [row for source in corpus.source for row in _source_rows(corpus, source, lists)]
    return pa.Table.from_pylist(rows, schema=PLAN)


def write_plan(plan: pa.Table, url: str) -> None:
    """Write plan.parquet, whole or not at all."""
    with files.replacing(url) as output:
        pq.write_table(plan, output)


def _source_rows(corpus: Corpus, source: Source, lists: Held) -> list[dict[str, Any]]:
    urls = files.glob(source.files)
    if not urls:
        raise DataError(f"source {source.name}: no file matches {source.files}")
    root = _root(source.files)
    step = step_digest(corpus, source, lists)
    chosen = [(url, _relative(root, url)) for url in urls]
    chosen = [(url, path) for url, path in chosen if _is_chosen(source, path)]
    if not chosen:
        names = ", ".join(source.components or [])
        raise DataError(f"source {source.name}: no file of {source.files} holds {names}")
    with ThreadPoolExecutor(THREADS) as pool:
        rows = pool.map(lambda item: list(_input_rows(source, step, *item)), chosen)
        return [row for of_input in rows for row in of_input]


def _is_chosen(source: Source, path: str) -> bool:
    component = source.layout.component_of_input(path)
    return source.chosen is None or component is None or component in source.chosen


def _input_rows(source: Source, step: str, url: str, path: str) -> Iterator[dict[str, Any]]:
    refusal = source.layout.refusal(path)
    row: dict[str, Any] = {
        "source": source.name,
        "input": path,
        "url": url,
        "start": 0,
        "stop": None,
        "bytes": files.size(url),
        "version": files.version(url),
        "step": step,
        "error": refusal,
        "refused": refusal is not None,
    }
    rows = [row] if refusal else _cut_rows(source, url, row)
    for row in rows:
        yield {**row, "part": part_name(row)}


def _cut_rows(source: Source, url: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return [{**row, "start": start, "stop": stop} for start, stop in source.layout.cut(url)]
    except InputError as error:
        return [{**row, "error": str(error)}]


def _root(pattern: str) -> str:
    """The directory before the first wildcard."""
    wild = min((i for i in map(pattern.find, "*?[{") if i >= 0), default=len(pattern))
    return os.path.dirname(pattern[:wild])


def _relative(root: str, url: str) -> str:
    return url.removeprefix(root).lstrip("/")
