"""Whose work is in a corpus: for each license the repositories, and their copyright lines.

MIT, BSD, Apache and CC-BY ask that copyright notices go with what is passed on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.console import formatting
from manifests.io.parquet import open_parquet, read_table
from manifests.lineage.chain import Chain
from pipelines.inspect.find import document_tables, duplicate_tables, shard_tables
from pipelines.inspect.forgotten import forgotten_ids

COLUMNS = ["id", "component", "repositories", "license"]
UNKNOWN = "no known license"

HINT = r"(?i)copyright|\(c\)|©"
"""What every text with a copyright line has, for a quick search."""

LINE = re.compile(
    r"(?:copyright\b[^\n]{0,20}?(?:\(c\)|©|[12][0-9]{3})|(?:\(c\)|©)[ \t]*[12][0-9]{3})"
    r"[^\n]{0,200}",
    re.IGNORECASE,
)
"""The word with a sign or a year, or a sign with a year, and the rest of the line."""

MARKS = " \t\r*/#;%!-=<>|\"'"
"""What ends a line of a comment and is no part of what it says."""


@dataclass
class Work:
    """What is kept of one repository under one license."""

    documents: int = 0
    copyright: set[str] = field(default_factory=set)


Works = dict[str, dict[str, Work]]
"""License -> repository, or the component of documents without one -> what is kept of it."""


def attribution(chain: Chain) -> dict[str, Any]:
    """Return, for JSON, what is kept by license and repository; every repository of a row counts.

    What is forgotten is not listed.

    Args:
        chain: as `load_chain` returns it. Copyright lines are those of documents/; where it was
            cleaned away, repositories and licenses are those beside the shards.
    """
    works: Works = {}
    gone = pa.array(sorted(forgotten_ids(chain)), pa.binary(16))
    tables = _documents(chain) if document_tables(chain) else _shards(chain)
    for table in tables:
        is_gone = pc.is_in(table["id"], value_set=gone)
        _add(works, table.filter(pc.invert(is_gone)) if len(gone) else table)
    return {
        "directory": chain.last.directory,
        "copyright_lines": bool(document_tables(chain)),
        "licenses": {
            license: {
                name: {"documents": work.documents, "copyright": sorted(work.copyright)}
                for name, work in sorted(named.items())
            }
            for license, named in sorted(works.items())
        },
    }


def copyright_lines(text: str) -> list[str]:
    """Return the copyright lines of a text, without the marks of comments, in their order."""
    lines = (" ".join(match[0].split()).strip(MARKS) for match in LINE.finditer(text))
    return list(dict.fromkeys(line for line in lines if line))


def as_text(told: dict[str, Any]) -> str:
    """Return what is written for people: a list to pass on with the corpus."""
    lines = ["# Attribution", ""]
    for license, named in told["licenses"].items():
        documents = sum(work["documents"] for work in named.values())
        lines += [f"## {license}: {formatting.plural(documents, 'document')}", ""]
        for name, work in named.items():
            lines.append(f"- {name} ({formatting.plural(work['documents'], 'document')})")
            lines += [f"    - {line}" for line in work["copyright"]]
        lines.append("")
    return "\n".join(lines)


def summary(told: dict[str, Any], out: str) -> str:
    """Return what the command says when it has written `out`."""
    named = [work for each in told["licenses"].values() for work in each.items()]
    places = len({name for name, _ in named})
    lines = sum(len(work["copyright"]) for _, work in named)
    known = "" if told["copyright_lines"] else "; documents/ is not here, so there are no lines"
    return (
        f"{out}: written; {formatting.plural(len(told['licenses']), 'license')}, "
        f"{formatting.count(places)} repositories and sets, "
        f"{formatting.plural(lines, 'copyright line')}{known}"
    )


def _documents(chain: Chain) -> Iterator[pa.Table]:
    """Yield what stays of documents/, a row group at a time."""
    gone = {
        table.about["name"]: read_table(table.url, ["row"])["row"].to_numpy()
        for table in duplicate_tables(chain)
    }
    for table in document_tables(chain):
        lost = gone.get(table.about["name"], np.zeros(0, np.int64))
        first = 0
        with open_parquet(table.url) as file:
            for group in range(file.row_groups):
                rows = file.read_row_group(group, [*COLUMNS, "text"])
                places = np.arange(first, first + rows.num_rows)
                first += rows.num_rows
                yield rows.filter(pa.array(~np.isin(places, lost)))


def _shards(chain: Chain) -> Iterator[pa.Table]:
    for table in shard_tables(chain):
        rows = read_table(table.url, COLUMNS)
        yield rows.append_column("text", pa.array([""] * rows.num_rows, pa.large_string()))


def _add(works: Works, table: pa.Table) -> None:
    hints = pc.match_substring_regex(table["text"], HINT).to_pylist()
    columns = (table[name].to_pylist() for name in COLUMNS[1:])
    for row, (component, repositories, license) in enumerate(zip(*columns, strict=True)):
        lines = copyright_lines(table["text"][row].as_py()) if hints[row] else []
        named = works.setdefault(license or UNKNOWN, {})
        for name in dict.fromkeys(filter(None, repositories or [])) or [component]:
            work = named.setdefault(name, Work())
            work.documents += 1
            work.copyright.update(lines)
