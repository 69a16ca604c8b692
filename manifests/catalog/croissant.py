"""croissant.json: a dataset in the words of ML Commons' Croissant 1.1, small at any size.

Shards are a pattern, not a list (unless other files lie among them): shards.parquet, whose digest
stands here, has the digest of each.
Nothing is said of who publishes the data, when and where: that is the publisher's to add.
"""

from collections.abc import Sequence
from typing import Any

from manifests.catalog import licenses
from manifests.dataset.dataset import SHARD_TABLE
from manifests.lineage.manifest import Manifest

FILE = "croissant.json"

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The JSON-LD context that the specification gives for every dataset."""

PARQUET, TAR = "application/x-parquet", "application/x-tar"

SHARD_FIELDS = {
    "shard": ("sc:Text", "Path of the .tar."),
    "component": ("sc:Text", "`source/slug`: a language, or a set of texts."),
    "heldout": ("sc:Boolean", "Whether the shard is for validation."),
    "bytes": ("sc:Integer", "Size of the .tar."),
    "documents": ("sc:Integer", "Documents in it."),
    "tokens": ("sc:Integer", "Tokens in it."),
    "sha256": ("sc:Text", "Of the .tar."),
}

DOCUMENT_FIELDS = {
    "component": ("sc:Text", "`source/slug`: a language, or a set of texts."),
    "path": ("sc:Text", "Path in its repository, where known."),
    "license": ("sc:Text", "SPDX expression that it was judged by; empty where none is known."),
    "block": ("sc:Integer", "Sample of the shard in which it starts."),
    "start": ("sc:Integer", "Token of that sample at which it starts."),
    "tokens": ("sc:Integer", "Its tokens."),
}


def croissant(
    manifest: Manifest, counted: dict[str, int], shards: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return croissant.json of a tokenized dataset, as plain values.

    Args:
        manifest: of the dataset.
        counted: license (an empty name where none is known) -> documents.
        shards: the path of every shard, where a pattern would take other files for shards, too.
    """
    sources = sorted(manifest.funnel)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": "-".join([*sources, "tokens"]),
        "description": (
            f"{manifest.totals.tokens:,} tokens of {manifest.totals.documents:,} documents of "
            f"{', '.join(sources)}, as WebDataset shards of token ids, with the origin and the "
            "license of each document beside them."
        ),
        "license": [licenses.url(name) for name in licenses.identifiers(counted)],
        "version": "1.0.0",
        "distribution": _distribution(manifest, shards),
        "recordSet": [
            _records("shards", "Every shard.", {"@id": SHARD_TABLE}, "fileObject", SHARD_FIELDS),
            _records(
                "documents",
                "Every document.",
                {"@id": "documents-table"},
                "fileSet",
                DOCUMENT_FIELDS,
            ),
        ],
    }


def _distribution(manifest: Manifest, shards: Sequence[str] | None) -> list[dict[str, Any]]:
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": path,
            "encodingFormat": PARQUET if path.endswith(".parquet") else "application/json",
            "sha256": manifest.tables[path],
        }
        for path in (SHARD_TABLE, "tokenizer.json")
        if path in manifest.tables
    ]
    folders = ["shards", "heldout"] if manifest.heldout_components else ["shards"]
    stems = [f"{folder}/*/*" for folder in folders]
    if shards is not None:
        stems = [path.removesuffix(".tar") for path in shards]
    sets = [("tars", TAR, ".tar"), ("documents-table", PARQUET, ".parquet")]
    return objects + [
        {
            "@type": "cr:FileSet",
            "@id": name,
            "name": name,
            "encodingFormat": encoding,
            "includes": [f"{stem}{suffix}" for stem in stems],
        }
        for name, encoding, suffix in sets
    ]


def _records(
    name: str,
    description: str,
    of: dict[str, str],
    kind: str,
    fields: dict[str, tuple[str, str]],
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": says,
                "dataType": data_type,
                "source": {kind: of, "extract": {"column": column}},
            }
            for column, (data_type, says) in fields.items()
        ],
    }
