"""Citations: sections that exist, places that docs/citations.md names, defaults with sources."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_every_number_that_is_a_default_says_where_it_comes_from() -> None:
    unsourced = [
        f"{path.relative_to(ROOT)}: {name}"
        for package in ("manifests", "filters", "objectives", "pipelines")
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, comment in defaults(ast.parse(path.read_text()))
        if not re.search("published|ours", comment, re.IGNORECASE)
    ]
    assert unsourced == []


def defaults(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (class.field, docstring) of the fields of configs whose default is a number but 0."""
    for config in ast.walk(tree):
        if not isinstance(config, ast.ClassDef) or "Config" not in map(ast.unparse, config.bases):
            continue
        for field, after in zip(config.body, [*config.body[1:], ast.Pass()], strict=True):
            if isinstance(field, ast.AnnAssign) and _is_number(field.value):
                comment = ast.unparse(after) if isinstance(after, ast.Expr) else ""
                yield f"{config.name}.{ast.unparse(field.target)}", comment


def _is_number(value: ast.expr | None) -> bool:
    """Return whether a default is a number, plain or as the first argument of Field."""
    if isinstance(value, ast.Call):
        values = [key.value for key in value.keywords if key.arg == "default"]
        value = values[0] if values else None
    try:
        number = ast.literal_eval(value) if value else None
    except ValueError:
        return False
    return isinstance(number, int | float) and not isinstance(number, bool) and number != 0
