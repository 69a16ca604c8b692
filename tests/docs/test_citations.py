"""Citations: sections that exist, places that docs/citations.md names, defaults with sources."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.config import Config
from objectives.tasks.registry import OBJECTIVES
from tests.docs.test_config import FILES as CONFIG_FILES

ROOT = Path(__file__).parents[2]
PACKAGES = ("manifests", "filters", "objectives", "pipelines", "trainer")
FILES = sorted(
    path
    for folder in (*PACKAGES, "docs")
    for kind in ("*.py", "*.toml", "*.md")
    for path in (ROOT / folder).rglob(kind)
    if path.name != "citations.md"
)

CODEGEN2 = "2305.02309"
HEADINGS = {
    *("1", "1.1", "1.2", "1.3", "1.4", "1.5", "2", "2.1", "2.2", "3"),
    *("3.1", "3.1.1", "3.1.2", "3.1.3", "3.2", "3.3", "3.4", "3.5", "4"),
}
"""The numbered headings of arXiv 2305.02309."""

PLACE = re.compile(r"\b(section|table)s? ([A-Z]?\d+(?:\.\d+)*)", re.IGNORECASE)
OF_CODEGEN2 = re.compile(rf"{CODEGEN2}\)?,? section (\d+(?:\.\d+)*)")


def flat(text: str) -> str:
    """Return a text with its lines joined, the signs of comments left out."""
    return re.sub(r"\s*\n\s*(?:# )?\s*", " ", text)


def places(text: str) -> set[str]:
    """Return the sections and tables that a text cites, `section 3.3` or `Table 1`."""
    return {
        f"{'section' if kind.lower() == 'section' else 'Table'} {number}"
        for kind, number in PLACE.findall(flat(text))
    }


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield (file, publication, place) of the table."""
    for line in (ROOT / "docs/citations.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and (ROOT / cells[0]).is_file():
            yield cells[0], cells[2], cells[3]


def test_cited_sections_of_codegen2_exist() -> None:
    cited = [
        (path.relative_to(ROOT).as_posix(), section)
        for path in FILES
        for section in OF_CODEGEN2.findall(flat(path.read_text()))
    ]
    assert len(cited) > 10
    assert not [place for place in cited if place[1] not in HEADINGS]


@pytest.mark.parametrize("section", ["2.3", "3.1.4", "5"])
def test_a_section_that_does_not_exist_is_found(section: str) -> None:
    text = f"as in CodeGen2 (arXiv {CODEGEN2},\n    section {section})."
    assert OF_CODEGEN2.findall(flat(text)) == [section] and section not in HEADINGS


def test_the_table_names_every_place_that_the_sources_cite() -> None:
    cited = {
        (name, place)
        for path in FILES
        if (name := path.relative_to(ROOT).as_posix())
        not in ("docs/objectives.md", "docs/formats.md", "docs/config.md")
        for place in places(path.read_text())
    }
    assert {(file, place) for file, _, place in rows()} == cited


def test_the_sections_of_the_table_exist() -> None:
    sections = [place.split()[1] for _, paper, place in rows() if CODEGEN2 in paper]
    assert len(sections) > 5 and set(sections) <= HEADINGS


MODELS = [
    *(model for model, _ in CONFIG_FILES.values()),
    *(objective.settings_class for objective in OBJECTIVES.values()),
]

SOURCED = re.compile(r"\b(published|ours)\b", re.IGNORECASE)


def test_every_default_says_where_it_comes_from() -> None:
    described = list(defaults())
    assert len(described) > 40
    assert [name for name, text in described if not SOURCED.search(text)] == []


def defaults() -> Iterator[tuple[str, str]]:
    """Yield (table.key, docstring) of the keys of configs and settings that have a default.

    A table, False and nothing are no defaults, unless the docstring speaks of a default.
    """
    for model in MODELS:
        schema = model.model_json_schema()
        for table in [schema, *schema.get("$defs", {}).values()]:
            for key, field in table.get("properties", {}).items():
                value, text = field.get("default"), field.get("description", "")
                absent = value is None or value is False or value == [] or isinstance(value, dict)
                if not absent or re.search("default", text, re.IGNORECASE):
                    yield f"{table['title']}.{key}", text


def test_a_default_without_a_source_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table(Config):
        number: int = 0
        """A number."""
        name: str | None = None
        """By default the file's."""
        switch: bool = False
        """A switch."""
        given: int
        """Required."""

    monkeypatch.setattr("tests.docs.test_citations.MODELS", [Table])
    assert dict(defaults()) == {"Table.number": "A number.", "Table.name": "By default the file's."}
