"""A whole small output: license_filter, dedup and tokenize, each with the files that jobs write."""

import hashlib
import io
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console, RenderableType

from manifests.dataset.writer import DatasetShard, ShardRecord, finish_dataset
from manifests.io import files
from manifests.lineage.manifest import (
    FailedInput,
    Manifest,
    Parent,
    Totals,
    manifest_digest,
    save_manifest,
)
from manifests.lineage.parts_table import DEDUP_PARTS, PARTS
from manifests.lineage.receipts import (
    ComponentFunnel,
    Count,
    Funnel,
    Receipt,
    file_record,
    merge_funnels,
    save_receipt,
)
from manifests.schemas import DOCUMENTS, DUPLICATES, decisions
from manifests.tokenizer.tokenizer import describe_tokenizer, encode_documents, load_text_tokenizer

PARTS_OF = {"the-stack": {"python": 40, "c": 20}, "the-pile": {"wikipedia-en": 15}}
LICENSES = ("MIT", "Apache-2.0", "BSD-3-Clause")
REJECTED = {3: "license_not_allowed", 4: "long_lines"}
LICENSE_FILTER, DEDUP, TOKENIZE = "5" * 64, "6" * 64, "7" * 64
DEDUP_SIGNATURE = "5" * 32
BLOCK_TOKENS = 256

Row = dict[str, Any]


def write_output(directory: Path, tokenizer: bytes) -> None:
    """Write out/ of three finished jobs over two sources."""
    result = made_up_rows()
    parts = write_license_filter(directory / "license_filter", result)
    after = write_dedup(directory / "dedup", parts, result)
    kept = [row for row in after if row["rule"] is None]
    write_tokenize(directory / "tokenize-small", kept, tokenizer)


def printed(renderable: RenderableType, width: int = 80) -> str:
    """Return what a terminal of some width shows of an answer."""
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(renderable, crop=False)
    return console.export_text()


def write_table(url: str, rows: Sequence[Row], schema: pa.Schema) -> None:
    with files.replacing(url) as output:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), output)


def made_up_rows() -> dict[str, list[Row]]:
    """Source -> every row that came in, with the rule that rejected it, sorted by component."""
    generator = random.Random(2)
    result: dict[str, list[Row]] = {}
    for source, components in PARTS_OF.items():
        rows = result.setdefault(source, [])
        for slug, number in sorted(components.items()):
            for index in range(number):
                word = generator.choice(["def ", "x ", "return ", "self ", "( ", ") ", "1 "])
                text = f"# {slug} {index}\n" + word * generator.choice([1, 10, 60, 700])
                rows.append(made_up_row(source, slug, index, text) | {"input_row": len(rows)})
    return result


def made_up_row(source: str, slug: str, index: int, text: str) -> Row:
    path = f"src/{slug}/{index}.txt"
    return {
        "id": hashlib.blake2b(path.encode(), digest_size=16).digest(),
        "source": source,
        "component": f"{source}/{slug}",
        "repositories": [f"owner/{slug}-{index % 4}"],
        "path": path,
        "license": "GPL-3.0-only" if index % 10 == 3 else LICENSES[index % 3],
        "license_layer": "repository",
        "stars": index,
        "bytes": len(text.encode()),
        "heldout": index % 13 == 12,
        "text": text,
        "rule": REJECTED.get(index % 10),
    }


def counted(rows: Iterable[Row], tokens: Mapping[bytes, int] | None = None) -> Funnel:
    """Return the funnel of rows, those with a `rule` having been rejected."""
    funnels = []
    for row in rows:
        one, gone = Count(documents=1, bytes=row["bytes"]), row["rule"] is not None
        funnel = ComponentFunnel(
            documents_in=1,
            bytes_in=one.bytes,
            rejected={row["rule"]: one} if gone else {},
            documents=0 if gone else 1,
            bytes=0 if gone else one.bytes,
            tokens=tokens[row["id"]] if tokens else None,
        )
        funnels.append({row["source"]: {row["component"]: funnel}})
    return merge_funnels(funnels)


def totals_of(funnel: Funnel, **more: Any) -> Totals:
    flat = [component for components in funnel.values() for component in components.values()]
    names = ("documents_in", "bytes_in", "documents", "bytes")
    return Totals(**{name: sum(getattr(item, name) for item in flat) for name in names}, **more)


def parts_table(directory: Path, parts: Sequence[Row], schema: pa.Schema) -> dict[str, str]:
    """Write parts.parquet and return it as a manifest's tables."""
    path = str(directory / "parts.parquet")
    rows = [{name: part[name] for name in schema.names} for part in parts]
    write_table(path, rows, schema)
    return {"parts.parquet": files.sha256(path)}


def write_license_filter(directory: Path, found: Mapping[str, list[Row]]) -> list[Row]:
    """Write documents/, decisions/, receipts/, parts.parquet, manifest.json; return the parts."""
    parts = [
        write_part(directory, number, source, rows)
        for number, (source, rows) in enumerate(found.items())
    ]
    funnel = counted(row for rows in found.values() for row in rows)
    manifest = Manifest(
        step="license_filter",
        digest=LICENSE_FILTER,
        config={"source": [{"name": name, "kind": name, "files": "*"} for name in found]},
        totals=totals_of(funnel, parts=len(parts)),
        funnel=funnel,
        tables=parts_table(directory, parts, PARTS),
        failed=[FailedInput(source="the-pile", input="02.jsonl.zst", error="it ends too early")],
    )
    save_manifest(str(directory), manifest)
    return parts


def write_part(directory: Path, number: int, source: str, rows: Sequence[Row]) -> Row:
    name = hashlib.sha256(source.encode()).hexdigest()[:32]
    kept = [row for row in rows if row["rule"] is None]
    evidence = {"layer": "repository", "policy": "strict@0123456789ab", "detail": None}
    decided = [
        {
            **row,
            "kept": row["rule"] is None,
            "evidence": {**evidence, "license": row["license"]},
            "mean_line_length": 31.5,
            "max_control_share": 0.0,
            "min_words": float("nan"),
        }
        for row in rows
    ]
    paths = [f"documents/{name}.parquet", f"decisions/{name}.parquet"]
    write_table(str(directory / paths[0]), kept, DOCUMENTS)
    write_table(
        str(directory / paths[1]),
        decided,
        decisions(["mean_line_length", "max_control_share", "min_words"]),
    )
    receipt = write_receipt(directory, name, LICENSE_FILTER, paths, counted(rows))
    return {
        "part": number,
        "name": name,
        "source": source,
        "input": f"{source}.parquet",
        "components": sorted({row["component"] for row in rows}),
        "documents": len(kept),
        "bytes": sum(row["bytes"] for row in kept),
        "sha256": receipt.files[paths[0]].sha256,
    }


def write_receipt(
    directory: Path, name: str, digest: str, paths: Sequence[str], funnel: Funnel
) -> Receipt:
    receipt = Receipt(
        name=name,
        step=directory.name,
        digest=digest,
        files={path: file_record(str(directory), path) for path in paths},
        funnel=funnel,
    )
    save_receipt(str(directory), receipt)
    return receipt


def write_dedup(directory: Path, parts: Sequence[Row], found: Mapping[str, list[Row]]) -> list[Row]:
    """Make every seventh document a copy of the one before it; return all rows with their rule."""
    after: list[Row] = []
    for part in parts:
        kept = [row for row in found[part["source"]] if row["rule"] is None]
        gone = [duplicate(part["part"], kept, place) for place in range(6, len(kept), 7)]
        path = f"duplicates/{part['name']}.parquet"
        write_table(str(directory / path), gone, DUPLICATES)
        rules = {item["row"]: item["rule"] for item in gone}
        decided = [{**row, "rule": rules.get(place)} for place, row in enumerate(kept)]
        write_receipt(directory, part["name"][::-1], DEDUP, [path], counted(decided))
        after += decided
    funnel = counted(after)
    signed = [{**part, "signature": DEDUP_SIGNATURE} for part in parts]
    manifest = Manifest(
        step="dedup",
        digest=DEDUP,
        config={"dedup": {"profile": "stack-v1.2", "scope": "all"}},
        parent=parent_of(directory, "license_filter"),
        totals=totals_of(funnel, parts=len(parts)),
        funnel=funnel,
        tables=parts_table(directory, signed, DEDUP_PARTS),
    )
    save_manifest(str(directory), manifest)
    return after


def duplicate(part: int, kept: Sequence[Row], place: int) -> Row:
    rule = "exact" if place % 2 else "minhash"
    return {
        "row": place,
        "id": kept[place]["id"],
        "kept_part": part,
        "kept_row": place - 1,
        "kept_id": kept[place - 1]["id"],
        "cluster_size": 2,
        "similarity": 1.0 if rule == "exact" else 0.84,
        "rule": rule,
    }


def parent_of(directory: Path, name: str) -> Parent:
    return Parent(path=f"../{name}", digest=manifest_digest(str(directory.parent / name)))


def write_tokenize(directory: Path, rows: Sequence[Row], tokenizer: bytes) -> None:
    """Write two shards a component, and one for its heldout documents."""
    path = str(directory / "tokenizer.json")
    files.write_bytes(path, tokenizer)
    encoder = load_text_tokenizer(path)
    records: list[ShardRecord] = []
    lengths: dict[bytes, int] = {}
    for component in sorted({row["component"] for row in rows}):
        selected = [row for row in rows if row["component"] == component]
        train = [row for row in selected if not row["heldout"]]
        for folder, number, chosen in (
            ("shards", 0, train[::2]),
            ("shards", 1, train[1::2]),
            ("heldout", 0, [row for row in selected if row["heldout"]]),
        ):
            place = f"{folder}/{component}-{number:05d}-0123abcd.tar"
            records.append(write_shard(directory, place, chosen, encoder, lengths))
    summary = finish_dataset(str(directory), records)
    funnel = counted(rows, lengths)
    manifest = Manifest(
        step="tokenize",
        digest=TOKENIZE,
        config={"tokenize": {"tokenizer": {"train": 380}, "heldout": 0.08}},
        parent=parent_of(directory, "dedup"),
        totals=totals_of(funnel, parts=len(records), **summary.sizes),
        funnel=funnel,
        tables=summary.tables,
        tokenizer=describe_tokenizer(path),
        components=summary.components,
        heldout_components=summary.heldout_components,
    )
    save_manifest(str(directory), manifest)


def write_shard(
    directory: Path, place: str, rows: Sequence[Row], encoder: Any, lengths: dict[bytes, int]
) -> ShardRecord:
    with DatasetShard(
        str(directory),
        place,
        rows[0]["component"],
        heldout=place.startswith("heldout"),
        dtype="uint16",
        block_tokens=BLOCK_TOKENS,
    ) as shard:
        for row in rows:
            (tokens,) = encode_documents(encoder, [row["text"]])
            lengths[row["id"]] = len(tokens)
            shard.add(
                tokens,
                id=row["id"],
                text_hash=hashlib.blake2b(row["text"].encode(), digest_size=16).digest(),
                repositories=row["repositories"],
                path=row["path"],
                license=row["license"],
                text_bytes=row["bytes"],
            )
        return shard.close()
