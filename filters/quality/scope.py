"""The scope of each document filter: the documents that a published limit was made for."""

from filters.quality import extensions
from filters.quality.batch import Genre
from manifests import components

PROSE = frozenset({"text", "markdown", "restructuredtext", "asciidoc", "org", "textile", "tex"})
"""Languages of The Stack that are prose; a paragraph is often one line."""

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
"""Components without a minimum share of letters and digits (source as above)."""

WEB = frozenset({"pile-cc", "openwebtext2", "common-crawl", "c4", "web"})
"""Components that hold English web pages. Gopher's rules were made for such pages (MassiveWeb):
books are longer, and mathematics, chats and subtitles are not sentences."""

DATA = frozenset({"json", "yaml"})
"""Components that hold data more often than configuration."""

XML = frozenset({"eagle", "svg", "web-ontology-language", "xml", "xpages", "xproc", "xslt"})
"""Languages that are XML themselves."""


def genre_of_component(component: str) -> Genre:
    """Return the genre of a component of a source whose layout does not fix the genre.

    A component is code if it is a language of The Stack and not one of PROSE.
    """
    is_code = component in components.table().languages and component not in PROSE
    return "code" if is_code else "prose"


# Scopes. Each one takes the genre, the component's slug and the extension of a document's path.


def everything(genre: Genre, component: str, extension: str) -> bool:
    """Any document."""
    return True


def code(genre: Genre, component: str, extension: str) -> bool:
    """Source code."""
    return genre == "code"


def code_lines(genre: Genre, component: str, extension: str) -> bool:
    """Source code whose lines have a limit."""
    known = extensions.rules(component, extension)
    unlimited = component in LONG_LINES if known is None else known.long_lines
    return genre == "code" and not unlimited


def code_words(genre: Genre, component: str, extension: str) -> bool:
    """Source code that has a minimum share of letters and digits."""
    known = extensions.rules(component, extension)
    symbolic = component in LOW_ALPHANUMERIC if known is None else known.symbols
    return genre == "code" and not symbolic


def code_letters(genre: Genre, component: str, extension: str) -> bool:
    """Source code of an extension that names tables of numbers too."""
    known = extensions.rules(component, extension)
    return genre == "code" and known is not None and known.alphabetic


def data(genre: Genre, component: str, extension: str) -> bool:
    """JSON and YAML."""
    return genre == "code" and component in DATA


def pages(genre: Genre, component: str, extension: str) -> bool:
    """HTML."""
    return genre == "code" and component == "html"


def not_xml(genre: Genre, component: str, extension: str) -> bool:
    """Source code in a language that is not XML."""
    return genre == "code" and component not in XML


def web(genre: Genre, component: str, extension: str) -> bool:
    """English web pages."""
    return genre == "prose" and component in WEB
