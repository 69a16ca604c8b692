"""On which documents each filter acts: published limits hold for what they were made for."""

from filters.quality import extensions
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
`Long_line_threshold` "remove" or blank for the main extension of a language), where a file's
extension is not known to that table."""

LOW_ALPHANUMERIC = frozenset({"sas"})
"""Components without a least share of letters and digits (the same table, likewise)."""

PILE_CODE = frozenset({"github"})
"""Sets of the Pile that hold source code."""

WEB = frozenset({"pile-cc", "openwebtext2", "common-crawl", "c4", "web"})
"""Components of English web pages, in any source of prose: what Gopher's rules were made for
(MassiveWeb). Books are longer, and mathematics, chats and subtitles are no sentences."""

DATA = frozenset({"json", "yaml"})
"""Components that hold data more often than configuration."""

XML = frozenset({"eagle", "svg", "web-ontology-language", "xml", "xpages", "xproc", "xslt"})
"""Languages that are XML themselves."""


def is_code(kind: str, component: str) -> bool:
    """Tell whether a document is source code, from its source's kind and its component's slug.

    In a `parquet` or `jsonl` source code is known by its component: one of The Stack's languages.
    """
    if kind in CODE_KINDS:
        return True
    if kind == "the-pile":
        return component in PILE_CODE
    return component in components.table().languages and component not in PROSE


# What follows are answers to "does a filter act on this document?": each takes the kind of the
# source, the component's slug and the extension of the path.


def everything(kind: str, component: str, extension: str) -> bool:
    """Any document."""
    return True


def code(kind: str, component: str, extension: str) -> bool:
    """Source code."""
    return is_code(kind, component)


def code_of_lines(kind: str, component: str, extension: str) -> bool:
    """Source code whose lines have a limit."""
    known = extensions.rules(component, extension)
    unlimited = component in LONG_LINES if known is None else known.long_lines
    return is_code(kind, component) and not unlimited


def code_of_words(kind: str, component: str, extension: str) -> bool:
    """Source code that has a least share of letters and digits."""
    known = extensions.rules(component, extension)
    symbolic = component in LOW_ALPHANUMERIC if known is None else known.symbols
    return is_code(kind, component) and not symbolic


def code_of_letters(kind: str, component: str, extension: str) -> bool:
    """Source code of an extension that names tables of numbers too."""
    known = extensions.rules(component, extension)
    return is_code(kind, component) and known is not None and known.alphabetic


def data(kind: str, component: str, extension: str) -> bool:
    """JSON and YAML."""
    return is_code(kind, component) and component in DATA


def pages(kind: str, component: str, extension: str) -> bool:
    """HTML."""
    return is_code(kind, component) and component == "html"


def not_xml(kind: str, component: str, extension: str) -> bool:
    """Source code in a language that is not XML."""
    return is_code(kind, component) and component not in XML


def web(kind: str, component: str, extension: str) -> bool:
    """English web pages."""
    return kind not in CODE_KINDS and component in WEB
