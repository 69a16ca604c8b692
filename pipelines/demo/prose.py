"""English prose in installed packages: READMEs, the docstrings of modules, license texts."""

import ast
import inspect
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.demo.packages import Package, SourceFile, hash64

SHORTEST = 500
"""Characters of a document that is taken."""

DOCSTRING = 200
"""Characters of a docstring that is prose, not a line about a function."""

LICENSE_TEXTS = "licensedcode/data/licenses/"
"""Where scancode-toolkit keeps the texts of licenses."""


@dataclass(frozen=True)
class Prose:
    """A document of the Pile, and the name of its set."""

    pile_set_name: str
    text: str
    order: int


def prose(packages: Sequence[Package], budget: int) -> list[Prose]:
    """Return about `budget` bytes of prose, in the order of their hash.

    Sets are the nearest of the Pile's: READMEs are web pages of PyPI ("Pile-CC"), docstrings
    explain a library's use ("StackExchange"), license texts are law ("FreeLaw").
    """
    found = [
        *_take("Pile-CC", _readmes(packages), budget // 4),
        *_take("StackExchange", _docstrings(packages), budget // 2),
        *_take("FreeLaw", _license_texts(packages), budget // 4),
    ]
    return sorted(found, key=lambda document: document.order)


def _take(name: str, texts: Iterable[tuple[str, str]], budget: int) -> Iterator[Prose]:
    taken = 0
    for key, text in texts:
        if taken >= budget:
            return
        if len(text) >= SHORTEST:
            taken += len(text.encode())
            yield Prose(name, text, hash64("prose", name, key))


def _readmes(packages: Sequence[Package]) -> Iterator[tuple[str, str]]:
    for package in sorted(packages, key=lambda p: hash64("readme", p.name)):
        yield package.name, package.readme.strip()


def _docstrings(packages: Sequence[Package]) -> Iterator[tuple[str, str]]:
    """One document for each module: its docstrings that are long enough, in their order."""
    modules = [(p, f) for p in packages for f in p.files if f.suffix == ".py"]
    for package, file in sorted(modules, key=lambda pair: hash64("docs", str(pair[1].order))):
        if package.name != "scancode-toolkit" and '"""' in (text := file.read() or ""):
            yield f"{package.name}/{file.path}", "\n\n".join(_docstrings_of(text))


def _docstrings_of(source: str) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node, clean=False)):
            text = inspect.cleandoc(text)
            if len(text) >= DOCSTRING:
                yield text


def _license_texts(packages: Sequence[Package]) -> Iterator[tuple[str, str]]:
    files = [f for p in packages for f in p.files if f.path.startswith(LICENSE_TEXTS)]
    for file in sorted(files, key=lambda f: f.order):
        yield file.path, _without_front_matter(file)


def _without_front_matter(file: SourceFile) -> str:
    """A .LICENSE file opens with facts in YAML between two lines of dashes."""
    text = file.read() or ""
    head, found, body = text.removeprefix("---\n").partition("\n---\n")
    return (body if found and text.startswith("---\n") else head).strip()
