"""README.md of a dataset: a dataset card for the Hugging Face Hub.

With its configs, `datasets.load_dataset(DIR, CONFIG)` reads the shards of one component.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from manifests import components
from manifests.catalog import licenses
from manifests.console import formatting
from manifests.lineage.manifest import ComponentTotals, Manifest

FILE = "README.md"

SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""The Hub's names of 10**3 .. 10**12 documents (huggingface.co/docs/hub, "Dataset Cards")."""

LICENSES = 20
"""Number of licenses that the card lists; the tables beside the shards have every document's."""

BODY = """\
# {title}

{tokens} of {documents}, {text} of text, in {shards}. Made by Stackpile; `manifest.json` has the
sources and the number of documents that each rule removed.

A sample is a block of documents: `tokens.npy` ({dtype}, ids of `{tokenizer}`, {vocabulary} ids,
without special tokens) and `offsets.npy` (uint32: the start of each document, and the length of the
block; if the first offset is above 0, the block starts inside a document).

    import datasets
    datasets.load_dataset(DIR, "{config}", split="train", streaming=True)

Without the name of a config, `load_dataset` reads all components.

`load_dataset` does not detect a truncated shard; `stackpile verify` does.

## Components

| component | documents | tokens | shards | held-out tokens |
|---|--:|--:|--:|--:|
{components}

## Licenses

| SPDX expression | documents |
|---|--:|
{licenses}

The `.parquet` file beside each shard has the repositories, the path and the license of each
document; `stackpile attribution` lists them.
"""


def card_text(
    manifest: Manifest,
    license_counts: dict[str, int],
    shards: Sequence[tuple[str, str]],
    strays: Sequence[str] = (),
) -> str:
    """Return README.md of a tokenized dataset.

    Args:
        manifest: of the dataset.
        license_counts: license -> documents; an empty name where no license is known.
        shards: (path relative to the dataset, component) of every shard.
        strays: paths of files beside the shards that do not belong to the dataset.
    """
    from huggingface_hub import DatasetCardData

    header = DatasetCardData(
        pretty_name=_title(manifest),
        license=licenses.hub_names(license_counts),
        language=_languages(manifest) or None,
        size_categories=[_size_category(manifest.totals.documents)],
        task_categories=["text-generation"],
        tags=["webdataset", "code", "tokens"],
        configs=_configs(manifest, shards, strays),
    )
    return f"---\n{header.to_yaml()}\n---\n\n{_body(manifest, license_counts)}"


def _title(manifest: Manifest) -> str:
    return f"{', '.join(sorted(manifest.funnel))}: tokens"


def _configs(
    manifest: Manifest, shards: Sequence[tuple[str, str]], strays: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one config for all components and one for each component."""
    present = [*(path for path, _ in shards), *strays]
    train = [path for path, _ in shards if path.startswith("shards/")]
    everything = [{"split": "train", "path": _pattern("shards/*/*.tar", train, present)}]
    configs: list[dict[str, Any]] = [
        {"config_name": "all", "default": True, "data_files": everything}
    ]
    splits = [("train", "shards/", manifest.components)]
    splits += [("validation", "heldout/", manifest.heldout_components)]
    for component in sorted({*manifest.components, *manifest.heldout_components}):
        paths = [path for path, name in shards if name == component]
        data_files = [
            {
                "split": split,
                "path": _pattern(
                    f"{folder}{component}-[0-9]*.tar",
                    [path for path in paths if path.startswith(folder)],
                    present,
                ),
            }
            for split, folder, totals in splits
            if component in totals
        ]
        configs.append({"config_name": config_name(component), "data_files": data_files})
    return configs


def config_name(component: str) -> str:
    """Return the name of a component's config: `source--slug`."""
    return component.replace("/", "--")


def _pattern(pattern: str, paths: Sequence[str], present: Sequence[str]) -> str | Sequence[str]:
    """Return `pattern`, or `paths` where the pattern matches other files that are present."""
    matches = [path for path in present if fnmatchcase(path, pattern)]
    return pattern if sorted(matches) == sorted(paths) else paths


def _languages(manifest: Manifest) -> list[str]:
    """Return `code` and `en` where the names of components tell that the dataset has them."""
    slugs = {name.split("/")[1] for name in {*manifest.components, *manifest.heldout_components}}
    known = {"code": components.table().languages, "en": licenses.hub()["english"]}
    return [language for language, names in known.items() if not slugs.isdisjoint(names)]


def _size_category(documents: int) -> str:
    """Return the Hub's name of a number of documents: `n<1K`, `1K<n<10K` ... `n>1T`."""
    for power, name in enumerate(SIZES):
        if documents < 10 ** (power + 3):
            return f"{SIZES[power - 1]}<n<{name}" if power else f"n<{name}"
    return f"n>{SIZES[-1]}"


def _body(manifest: Manifest, license_counts: dict[str, int]) -> str:
    """Return the text of the card below its header."""
    totals, tokenizer = manifest.totals, manifest.tokenizer
    assert tokenizer is not None
    names = {*manifest.components, *manifest.heldout_components}
    return BODY.format(
        title=_title(manifest),
        tokens=formatting.plural(totals.tokens or 0, "token"),
        documents=formatting.plural(totals.documents, "document"),
        text=formatting.size(totals.bytes),
        shards=formatting.plural(totals.shards or 0, "shard"),
        dtype=tokenizer.dtype,
        tokenizer=tokenizer.file,
        vocabulary=formatting.count(tokenizer.vocabulary),
        config=config_name(min(names, default="NAME")),
        components="\n".join(_component_rows(manifest.components, manifest.heldout_components)),
        licenses="\n".join(_license_rows(license_counts)),
    )


def _component_rows(
    train: dict[str, ComponentTotals], heldout: dict[str, ComponentTotals]
) -> Iterable[str]:
    """Yield one row of the table of components a component."""
    for name in sorted({*train, *heldout}):
        totals = train.get(name)
        cells = [totals.documents, totals.tokens, totals.shards] if totals else [0, 0, 0]
        cells.append(heldout[name].tokens if name in heldout else 0)
        yield f"| {name} | " + " | ".join(map(formatting.count, cells)) + " |"


def _license_rows(license_counts: dict[str, int]) -> Iterable[str]:
    """Yield one row of the table of licenses a license, and one for those that are not listed."""
    ordered = sorted(license_counts.items(), key=lambda item: (-item[1], item[0]))
    for name, documents in ordered[:LICENSES]:
        yield f"| {name or 'none known'} | {formatting.count(documents)} |"
    if rest := ordered[LICENSES:]:
        total = sum(documents for _, documents in rest)
        yield f"| {formatting.plural(len(rest), 'other expression')} | {formatting.count(total)} |"
