"""The repository that is held out where the share of [tokenize] selects none.

A share of 0.001 of 50 repositories is most often no repository, and validation would be empty.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from filters import document_ids
from filters.licenses.policy import judge_licenses, load_policy
from manifests.errors import InputError
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.inputs import InputRange
from pipelines.corpus.source_table import Source
from pipelines.license_filter.decisions import not_chosen, other_layers
from pipelines.license_filter.header_veto import NO_HEADERS
from pipelines.sources.layout import Range

MAX_BYTES = 1 << 30
"""Bytes of text that are read to find the repository. Ours: some seconds of reading; a share of
0.001 selects one of the first thousands of repositories, long before this limit."""

PART_BYTES = 8 << 20
"""Bytes of text that are read at once. Ours: small, because most corpora need the first part."""


def choose_heldout(corpus: Corpus, ranges: Iterable[InputRange]) -> str | None:
    """Return the name of the group of documents that is held out besides a corpus's share.

    Documents that fail by their fault, component or licenses are not looked at. Of the others the
    group with the smallest hash is chosen (see `document_ids.group_names`).

    Args:
        corpus: the corpus.
        ranges: the ranges of all its inputs.

    Returns:
        None if the share selects a group or is 0, or if there are not two groups.
    """
    share = corpus.tokenize.heldout
    if not share:
        return None
    smallest: tuple[int, str] | None = None
    others = False
    for name in _groups(corpus, ranges):
        if document_ids.is_in_share(name, share):
            return None
        hashed = document_ids.heldout_hash(name), name
        others = others or (smallest is not None and hashed != smallest)
        smallest = min(smallest or hashed, hashed)
    return smallest[1] if smallest and others else None


def _groups(corpus: Corpus, ranges: Iterable[InputRange]) -> Iterator[str]:
    """Yield the names of the groups of the documents that may be kept."""
    size = 0
    for unit in ranges:
        source = corpus.named(unit.source)
        for table in _tables(source, unit):
            size += pc.sum(pc.binary_length(table["text"])).as_py() or 0
            rows = table.filter(pa.array(_may_be_kept(source, table)))
            repositories, paths = rows["repositories"].to_pylist(), rows["path"].to_pylist()
            texts = rows["text"].combine_chunks()
            ids = document_ids.document_ids(source.name, repositories, paths, texts)
            yield from dict.fromkeys(document_ids.group_names(repositories, ids))
            if size > MAX_BYTES:
                return


def _tables(source: Source, unit: InputRange) -> Iterator[pa.Table]:
    """Yield the rows of a range in small tables, up to the first one that cannot be read."""
    if unit.error:
        return
    groups: list[Range] = [(0, None)]
    if unit.stop is not None:
        groups = [(group, group + 1) for group in range(unit.start, unit.stop)]
    try:
        for group in groups:
            for part in source.layout.read(unit.url, unit.input, group, PART_BYTES):
                yield part.rows
    except InputError:
        return


def _may_be_kept(source: Source, rows: pa.Table) -> list[bool]:
    """Return whether each row passes the rules that need no text."""
    # The licenses of another source's repositories are not known yet.
    missing = "accept" if source.license.repositories else source.missing
    policy = load_policy(source.license.policy)
    layers = other_layers(source, rows, NO_HEADERS)
    verdicts = judge_licenses(policy, rows["licenses"].to_pylist(), missing, layers)
    reasons = zip(rows["fault"].to_pylist(), not_chosen(source, rows), verdicts.rule, strict=True)
    return [not any(row) for row in reasons]
