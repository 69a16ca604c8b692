"""The authors of a corpus: for each license the repositories and their copyright lines.

MIT, BSD, Apache and CC-BY require that copies of a work keep its copyright notices.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.console import formatting
from manifests.io.parquet import read_table
from manifests.lineage.chain import Chain
from manifests.lineage.parts_table import read_kept
from pipelines.inspect.forgotten import forgotten_ids
from pipelines.inspect.tables import document_tables, duplicate_tables, shard_tables

COLUMNS = ["id", "component", "repositories", "license"]
UNKNOWN = "no known license"

HINT = r"(?i)copyright|\(c\)|©"
"""Matches in every text with a copyright line: a fast first search."""

LINE = re.compile(
    r"(?:copyright\b[^\n]{0,20}?(?:\(c\)|©|[12][0-9]{3})|(?:\(c\)|©)[ \t]*[12][0-9]{3})"
    r"[^\n]{0,200}",
    re.IGNORECASE,
)
"""A copyright line: the word with a sign or a year, or a sign with a year, and what follows."""

COMMENT_MARKS = " \t\r*/#;%!-=<>|\"'"
"""Characters that are stripped from the ends of a copyright line."""


@dataclass
class Work:
    """The kept documents of one repository under one license."""

    documents: int = 0
    copyright: set[str] = field(default_factory=set)


Works = dict[str, dict[str, Work]]
"""License -> repository, or the component of documents without one -> its kept documents."""


def attribution(chain: Chain) -> dict[str, Any]:
    """Return the kept documents by license and repository, as plain values for JSON.

    A document counts for each of its repositories. Forgotten documents are not listed.

    Args:
        chain: as `load_chain` returns it. Copyright lines come from documents/. Without documents/
            there are none, and repositories and licenses come from the tables beside the shards.
    """
    works: Works = {}
    ids = pa.array(sorted(forgotten_ids(chain)), pa.binary(16))
    tables = _kept_documents(chain) if document_tables(chain) else _stored_documents(chain)
    for table in tables:
        is_forgotten = pc.is_in(table["id"], value_set=ids)
        _add(works, table.filter(pc.invert(is_forgotten)) if len(ids) else table)
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
    """Return the copyright lines of a text, without marks of comments, distinct and in order."""
    lines = (" ".join(match[0].split()).strip(COMMENT_MARKS) for match in LINE.finditer(text))
    return list(dict.fromkeys(line for line in lines if line))


def as_markdown(works: dict[str, Any]) -> str:
    """Return the list as Markdown, to pass on with the corpus."""
    lines = ["# Attribution", ""]
    for license, named in works["licenses"].items():
        documents = sum(work["documents"] for work in named.values())
        lines += [f"## {license}: {formatting.plural(documents, 'document')}", ""]
        for name, work in named.items():
            lines.append(f"- {name} ({formatting.plural(work['documents'], 'document')})")
            lines += [f"    - {line}" for line in work["copyright"]]
        lines.append("")
    return "\n".join(lines)


def summary(works: dict[str, Any], out: str) -> str:
    """Return what the command prints after it has written `out`."""
    named = [item for names in works["licenses"].values() for item in names.items()]
    places = len({name for name, _ in named})
    lines = sum(len(work["copyright"]) for _, work in named)
    known = "" if works["copyright_lines"] else "; documents/ is missing, so there are no lines"
    return (
        f"{out}: written; {formatting.plural(len(works['licenses']), 'license')}, "
        f"{formatting.count(places)} repositories and sets, "
        f"{formatting.plural(lines, 'copyright line')}{known}"
    )


def _kept_documents(chain: Chain) -> Iterator[pa.Table]:
    """Yield the documents of documents/ that are no duplicates, a row group at a time."""
    duplicates = {table.name: table.url for table in duplicate_tables(chain)}
    for table in document_tables(chain):
        yield from read_kept(table.url, duplicates.get(table.name), [*COLUMNS, "text"])


def _stored_documents(chain: Chain) -> Iterator[pa.Table]:
    """Yield the documents of the shards, with empty texts, a shard at a time."""
    for table in shard_tables(chain):
        rows = read_table(table.url, COLUMNS)
        yield rows.append_column("text", pa.array([""] * rows.num_rows, pa.large_string()))


def _add(works: Works, table: pa.Table) -> None:
    """Count the documents of a table."""
    hints = pc.match_substring_regex(table["text"], HINT).to_pylist()
    columns = (table[name].to_pylist() for name in COLUMNS[1:])
    for row, (component, repositories, license) in enumerate(zip(*columns, strict=True)):
        lines = copyright_lines(table["text"][row].as_py()) if hints[row] else []
        named = works.setdefault(license or UNKNOWN, {})
        for name in dict.fromkeys(filter(None, repositories or [])) or [component]:
            work = named.setdefault(name, Work())
            work.documents += 1
            work.copyright.update(lines)
