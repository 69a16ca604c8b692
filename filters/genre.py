"""Which documents are code: the published thresholds for code are wrong for prose."""

from manifests import components

CODE_KINDS = frozenset({"the-stack", "the-stack-v2", "starcoderdata"})
"""Kinds of sources that hold files of repositories, whatever their component."""

PROSE = frozenset({"text", "markdown", "restructuredtext", "asciidoc", "org", "textile", "tex"})
"""Components of those kinds that are prose; a paragraph of it is often one line."""

LONG_LINES = PROSE | {
    "bluespec",
    "cmake",
    "json",
    "mathematica",
    "matlab",
    "r",
    "rmarkdown",
    "sql",
    "stata",
}
"""Components whose lines have no limit (bigcode-dataset preprocessing/visual_inspection.csv,
`Long_line_threshold` "remove" or blank for the main extension of a language)."""

LOW_ALPHANUMERIC = frozenset({"sas"})
"""Components without a least share of letters and digits (the same table)."""

PILE_CODE = frozenset({"github"})
"""Sets of the Pile that hold source code."""


def is_code(kind: str, component: str) -> bool:
    """Tell whether a document is source code, from its source's kind and its component's slug.

    In a `parquet` or `jsonl` source code is known by its component: one of The Stack's languages.
    """
    if kind in CODE_KINDS:
        return True
    if kind == "the-pile":
        return component in PILE_CODE
    return component in components.table().languages and component not in PROSE
