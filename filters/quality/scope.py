"""On which documents each filter acts: published limits hold for what they were made for."""

from filters.quality import extensions
from filters.quality.batch import CodeComponents
from manifests import components

PROSE = frozenset({"text", "markdown", "restructuredtext", "asciidoc", "org", "textile", "tex"})
"""Languages of repositories' files that are prose; a paragraph is often one line."""

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

WEB = frozenset({"pile-cc", "openwebtext2", "common-crawl", "c4", "web"})
"""Components of English web pages, in any source of prose: what Gopher's rules were made for
(MassiveWeb). Books are longer, and mathematics, chats and subtitles are no sentences."""

DATA = frozenset({"json", "yaml"})
"""Components that hold data more often than configuration."""

XML = frozenset({"eagle", "svg", "web-ontology-language", "xml", "xpages", "xproc", "xslt"})
"""Languages that are XML themselves."""


def is_code(code_components: CodeComponents, component: str) -> bool:
    """Return whether the documents of a component (a slug) are source code.

    Args:
        code_components: `all`, `languages` (The Stack's, except those of PROSE), or slugs.
        component: slug of a language or set.
    """
    if code_components == "all":
        return True
    if code_components == "languages":
        return component in components.table().languages and component not in PROSE
    return component in code_components


# What follows are answers to "does a filter act on this document?": each takes which components
# of the source are code, the component's slug and the extension of the path.


def everything(code_components: CodeComponents, component: str, extension: str) -> bool:
    """Any document."""
    return True


def code(code_components: CodeComponents, component: str, extension: str) -> bool:
    """Source code."""
    return is_code(code_components, component)


def code_of_lines(code_components: CodeComponents, component: str, extension: str) -> bool:
    """Source code whose lines have a limit."""
    known = extensions.rules(component, extension)
    unlimited = component in LONG_LINES if known is None else known.long_lines
    return is_code(code_components, component) and not unlimited


def code_of_words(code_components: CodeComponents, component: str, extension: str) -> bool:
    """Source code that has a least share of letters and digits."""
    known = extensions.rules(component, extension)
    symbolic = component in LOW_ALPHANUMERIC if known is None else known.symbols
    return is_code(code_components, component) and not symbolic


def code_of_letters(code_components: CodeComponents, component: str, extension: str) -> bool:
    """Source code of an extension that names tables of numbers too."""
    known = extensions.rules(component, extension)
    return is_code(code_components, component) and known is not None and known.alphabetic


def data(code_components: CodeComponents, component: str, extension: str) -> bool:
    """JSON and YAML."""
    return is_code(code_components, component) and component in DATA


def pages(code_components: CodeComponents, component: str, extension: str) -> bool:
    """HTML."""
    return is_code(code_components, component) and component == "html"


def not_xml(code_components: CodeComponents, component: str, extension: str) -> bool:
    """Source code in a language that is not XML."""
    return is_code(code_components, component) and component not in XML


def web(code_components: CodeComponents, component: str, extension: str) -> bool:
    """English web pages."""
    return not is_code(code_components, component) and component in WEB
