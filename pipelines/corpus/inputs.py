"""The inputs of a corpus: the files of its sources, cut into units of work."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from manifests.errors import DataError, InputError
from manifests.io import files
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.source_table import Source

THREADS = 16
"""Footers read at once. Ours: the threads wait for a disk or an object store."""


@dataclass(frozen=True)
class InputRange:
    """A range of an input: what one worker reads.

    Attributes:
        source: name of the source.
        input: path of the file below the source's root.
        url: the file.
        bytes: size of the file.
        version: ETag, or time of the last change in ns.
        start: first row group; 0 for an input that is not cut.
        stop: row group after the last one; None for an input that is not cut.
        error: why the input is not read; None if it is read.
    """

    source: str
    input: str
    url: str
    bytes: int
    version: str
    start: int = 0
    stop: int | None = None
    error: str | None = None


def list_ranges(corpus: Corpus) -> list[InputRange]:
    """Return the ranges of all inputs, in the order that numbers parts.

    Raises:
        DataError: the pattern of a source matches no file, or no file of the chosen components.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return [
            unit
            for source in corpus.source
            for of_input in pool.map(lambda item: list(_cut(*item)), _chosen_inputs(source))
            for unit in of_input
        ]


def _chosen_inputs(source: Source) -> list[tuple[Source, str, str]]:
    """Return (source, URL, path below the root) of the inputs that may hold chosen components."""
    urls = files.glob(source.files)
    if not urls:
        raise DataError(f"source {source.name}: no file matches {source.files}")
    wildcards = (index for index in map(source.files.find, "*?[{") if index >= 0)
    root = os.path.dirname(source.files[: min(wildcards, default=len(source.files))])
    # A store may list s3a:// as s3://, and local files of file:// without their scheme.
    below = _without_scheme(root) + "/"
    inputs = [(source, url, _without_scheme(url).removeprefix(below)) for url in urls]
    if source.chosen is not None:
        component, chosen = source.layout.component_of_input, {None, *source.chosen}
        inputs = [item for item in inputs if component(item[-1]) in chosen]
    if not inputs:
        names = ", ".join(source.components or [])
        raise DataError(f"source {source.name}: no file of {source.files} holds {names}")
    return inputs


def _without_scheme(url: str) -> str:
    return url.rpartition("://")[2].strip("/")


def _cut(source: Source, url: str, path: str) -> Iterator[InputRange]:
    """Yield the ranges of one input, or one range with the reason why it is not read."""
    whole = InputRange(source.name, path, url, *files.stamp(url))
    try:
        for start, stop in source.layout.cut(url):
            yield replace(whole, start=start, stop=stop)
    except InputError as error:
        yield replace(whole, error=str(error))
