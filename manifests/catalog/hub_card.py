"""README.md beside a dataset: a card as the Hugging Face Hub reads it, and people do.

Its configs point `datasets.load_dataset(DIR, CONFIG)` at the shards of a component each.
"""

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from manifests import components
from manifests.catalog import licenses
from manifests.console import formatting
from manifests.lineage.manifest import ComponentTotals, Manifest

FILE = "README.md"

SIZES = (
    (10**3, "1K"),
    (10**4, "10K"),
    (10**5, "100K"),
    (10**6, "1M"),
    (10**7, "10M"),
    (10**8, "100M"),
    (10**9, "1B"),
    (10**10, "10B"),
    (10**11, "100B"),
    (10**12, "1T"),
)
"""What the Hub calls numbers of documents (huggingface.co/docs/hub, "Dataset Cards")."""

LICENSES = 20
"""Licenses that the card lists; the tables beside the shards have every document's."""


def card(
    manifest: Manifest,
    counted: dict[str, int],
    shards: Sequence[tuple[str, str]],
    strays: Sequence[str] = (),
) -> str:
    """Return README.md of a tokenized dataset.

    Args:
        manifest: of the dataset.
        counted: license (an empty name where none is known) -> documents.
        shards: (path relative to the dataset, component) of every shard.
        strays: paths of files beside them that are none of the dataset's.
    """
    header = "\n".join(_header(manifest, counted, shards, strays))
    return f"---\n{header}\n---\n\n{_body(manifest, counted)}"


def _header(
    manifest: Manifest,
    counted: dict[str, int],
    shards: Sequence[tuple[str, str]],
    strays: Sequence[str],
) -> Iterable[str]:
    """Yield the YAML of the card: each value is JSON, which YAML holds."""
    title = f"{', '.join(sorted(manifest.funnel))}: tokens"
    yield f"pretty_name: {json.dumps(title)}"
    yield f"license: {json.dumps(licenses.hub_names(counted))}"
    if spoken := _languages(manifest):
        yield f"language: {json.dumps(spoken)}"
    yield f"size_categories: {json.dumps([_size(manifest.totals.documents)])}"
    yield 'task_categories: ["text-generation"]'
    yield 'tags: ["webdataset", "code", "tokens"]'
    yield "configs:"
    yield "- config_name: all"
    yield "  default: true"
    yield "  data_files:"
    yield "  - split: train"
    everything = [*(path for path, _ in shards), *strays]
    train = [path for path, _ in shards if path.startswith("shards/")]
    yield f"    path: {json.dumps(_pattern('shards/*/*.tar', train, everything))}"
    for component in sorted({*manifest.components, *manifest.heldout_components}):
        mine = [path for path, owner in shards if owner == component]
        yield f"- config_name: {json.dumps(config_name(component))}"
        yield "  data_files:"
        for split, known, folder in (
            ("train", manifest.components, "shards/"),
            ("validation", manifest.heldout_components, "heldout/"),
        ):
            if component in known:
                wanted = [path for path in mine if path.startswith(folder)]
                paths = _pattern(f"{folder}{component}-[0-9]*.tar", wanted, everything)
                yield f"  - split: {split}"
                yield f"    path: {json.dumps(paths)}"


def config_name(component: str) -> str:
    """Return the name of a component's config: `source--slug`."""
    return component.replace("/", "--")


def _pattern(pattern: str, wanted: Sequence[str], everything: Sequence[str]) -> str | Sequence[str]:
    """Return what names some shards: a pattern, or every path where it would take more of them."""
    found = [path for path in everything if fnmatchcase(path, pattern)]
    return pattern if sorted(found) == sorted(wanted) else wanted


def _languages(manifest: Manifest) -> list[str]:
    """Return `code` and `en`, where components say so by their names."""
    slugs = {name.split("/")[1] for name in {*manifest.components, *manifest.heldout_components}}
    found = {
        "code": slugs & components.table().languages,
        "en": slugs & {*licenses.hub()["english"]},
    }
    return [name for name, held in found.items() if held]


def _size(documents: int) -> str:
    """Return the Hub's name of a number of documents: `n<1K`, `1K<n<10K` ... `n>1T`."""
    before = ""
    for limit, name in SIZES:
        if documents < limit:
            return f"{before}<n<{name}" if before else f"n<{name}"
        before = name
    return f"n>{before}"


def _body(manifest: Manifest, counted: dict[str, int]) -> str:
    totals, tokenizer = manifest.totals, manifest.tokenizer
    assert tokenizer is not None
    name = config_name(min({*manifest.components, *manifest.heldout_components}, default="NAME"))
    return "\n".join(
        [
            f"# {', '.join(sorted(manifest.funnel))}: tokens",
            "",
            f"{formatting.plural(totals.tokens or 0, 'token')} of "
            f"{formatting.plural(totals.documents, 'document')}, "
            f"{formatting.size(totals.bytes)} of text, in "
            f"{formatting.plural(totals.shards or 0, 'shard')}. Made by Stackpile; `manifest.json` "
            "says from what, and what was left out by which rule.",
            "",
            f"A sample is a block of documents: `tokens.npy` ({tokenizer.dtype}, ids of "
            f"`{tokenizer.file}`, {formatting.count(tokenizer.vocabulary)} ids, no control tokens "
            "among them) and `offsets.npy` (uint32: where each document starts, and the length of "
            "the block; a first offset above 0 tells that the block opens inside a document).",
            "",
            "    import datasets",
            f'    datasets.load_dataset(DIR, "{name}", split="train", streaming=True)',
            "",
            "Without a component's name it is all of them.",
            "",
            "Plain readers do not notice a shard that was cut; `stackpile verify` does.",
            "",
            "## Components",
            "",
            *_components(manifest.components, manifest.heldout_components),
            "",
            "## Licenses",
            "",
            *_licenses(counted),
            "",
            "The `.parquet` beside each shard has the repositories, the path and the license of "
            "each document; `stackpile attribution` lists them.",
            "",
        ]
    )


def _components(
    train: dict[str, ComponentTotals], heldout: dict[str, ComponentTotals]
) -> Iterable[str]:
    yield "| component | documents | tokens | shards | held out, tokens |"
    yield "|---|--:|--:|--:|--:|"
    for name in sorted({*train, *heldout}):
        cells = [0, 0, 0]
        if name in train:
            cells = [train[name].documents, train[name].tokens, train[name].shards]
        cells.append(heldout[name].tokens if name in heldout else 0)
        yield f"| {name} | " + " | ".join(map(formatting.count, cells)) + " |"


def _licenses(counted: dict[str, int]) -> Iterable[str]:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    yield "| SPDX expression | documents |"
    yield "|---|--:|"
    for name, number in ordered[:LICENSES]:
        yield f"| {name or 'none known'} | {formatting.count(number)} |"
    if rest := ordered[LICENSES:]:
        number = sum(number for _, number in rest)
        yield f"| {formatting.plural(len(rest), 'other expression')} | {formatting.count(number)} |"
