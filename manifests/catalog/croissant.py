"""croissant.json: metadata of a dataset as ML Commons' Croissant 1.1 defines it.

Shards are named by a pattern, or one by one if the pattern matches other files too. The digest of
each shard is in shards.parquet, and the digest of shards.parquet is in croissant.json. The
publisher of the data, the date and the place of publication are left for the publisher to add.
"""

from collections.abc import Sequence
from typing import Any

from manifests.catalog import licenses
from manifests.dataset.shard_index import SHARD_TABLE
from manifests.lineage.manifest import Manifest

FILE = "croissant.json"

DOCUMENT_SET = "documents-table"
"""Id of the Parquet files beside the shards."""

TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    **{term: f"cr:{term}" for term in TERMS},
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
"""The JSON-LD context that the Croissant specification gives for every dataset."""

PARQUET = "application/x-parquet"

SHARD_FIELDS = {
    "shard": ("sc:Text", "Path of the .tar."),
    "component": ("sc:Text", "`source/slug`: a programming language, or a set of texts."),
    "heldout": ("sc:Boolean", "Whether the shard is held out for validation."),
    "bytes": ("sc:Integer", "Size of the .tar."),
    "documents": ("sc:Integer", "Documents in the shard."),
    "tokens": ("sc:Integer", "Tokens in the shard."),
    "sha256": ("sc:Text", "SHA-256 of the .tar."),
}

DOCUMENT_FIELDS = {
    "component": ("sc:Text", "`source/slug`: a programming language, or a set of texts."),
    "path": ("sc:Text", "Path in the repository, where known."),
    "license": ("sc:Text", "SPDX expression of the license; empty where no license is known."),
    "block": ("sc:Integer", "Sample of the shard in which the document starts."),
    "start": ("sc:Integer", "Token of the sample at which the document starts."),
    "tokens": ("sc:Integer", "Tokens of the document."),
}


def croissant(
    manifest: Manifest, license_counts: dict[str, int], shards: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the content of croissant.json for a tokenized dataset.

    Args:
        manifest: of the dataset.
        license_counts: license -> documents; an empty name where no license is known.
        shards: the path of every shard, if a pattern would match other files too.
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
        "license": licenses.pages(license_counts),
        "version": "1.0.0",
        "distribution": _distribution(manifest, shards),
        "recordSet": [
            _records("shards", {"fileObject": {"@id": SHARD_TABLE}}, SHARD_FIELDS),
            _records("documents", {"fileSet": {"@id": DOCUMENT_SET}}, DOCUMENT_FIELDS),
        ],
    }


def _distribution(manifest: Manifest, shards: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the files of a dataset: its tables, and its shards with their tables."""
    objects = [
        {
            **_node("FileObject", path),
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
    sets = [("tars", "application/x-tar", ".tar"), (DOCUMENT_SET, PARQUET, ".parquet")]
    return objects + [
        {
            **_node("FileSet", name),
            "encodingFormat": encoding,
            "includes": [f"{stem}{suffix}" for stem in stems],
        }
        for name, encoding, suffix in sets
    ]


def _node(kind: str, name: str) -> dict[str, Any]:
    """Return the fields of a node whose id is its name."""
    return {"@type": f"cr:{kind}", "@id": name, "name": name}


def _records(
    name: str, source: dict[str, Any], fields: dict[str, tuple[str, str]]
) -> dict[str, Any]:
    """Return a record set of Parquet rows.

    Args:
        name: of the record set.
        source: the file object or the file set that holds the rows.
        fields: column -> (type, description).
    """
    return {
        **_node("RecordSet", name),
        "description": f"All {name}.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": text,
                "dataType": data_type,
                "source": {**source, "extract": {"column": column}},
            }
            for column, (data_type, text) in fields.items()
        ],
    }
