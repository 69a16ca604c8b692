"""A mixture written out: plain shuffled shards, for people who train with something else.

What is written are whole documents in blocks, as in a dataset: a file of sequences would fix their
length, their packing and their objective. It is no dataset of ours, since documents are in it as
often as the mixture's epochs say: no manifest, no components, nothing to mix again.

    OUT/shards/mixture-00000-01234567.tar        WebDataset: KEY.offsets.npy, KEY.tokens.npy
    OUT/shards/mixture-00000-01234567.parquet    component and number of each document, where it is
    OUT/mixture.json                             the mixture, what came of it, every shard's SHA-256
    OUT/tokenizer.json

Chunks of consecutive documents are dealt to shards by a keyed permutation, then the documents of a
shard are shuffled. All is a function of (mixture, datasets), so any number of workers writes the
same bytes, and a part that has its receipt is not made again.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.console import formatting
from manifests.dataset.dataset import Dataset, tokenizer_of
from manifests.dataset.writer import write_energon
from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.lineage.manifest import load_manifest
from manifests.lineage.receipts import Receipt, file_record, save_receipt
from manifests.mixture.config import Mixture, load_mixture
from manifests.mixture.resolve import Resolved, resolve
from manifests.prng.permutation import permute
from manifests.prng.splitmix import derive, shuffled
from manifests.schemas import FORMAT
from manifests.shards.writer import ShardWriter
from pipelines.maintain.chunks import Share, shares
from pipelines.maintain.output_guard import check_place
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner

STEP = "materialize"
FILE = "mixture.json"
TABLE = "materialize.parquet"

SHARD_BYTES = 256 << 20
"""Of the tokens of a shard: what a worker shuffles in memory."""

ROWS = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False),  # the name of the receipt
        pa.field("source", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),  # of the shard
        pa.field("start", pa.int64(), nullable=False),  # its chunks, in the order of all
        pa.field("stop", pa.int64(), nullable=False),
    ]
)
"""Columns of materialize.parquet: each row becomes a shard."""

DOCUMENTS = pa.schema(
    [
        pa.field("component", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("document", pa.int64(), nullable=False),  # its number in the component
        pa.field("block", pa.uint32(), nullable=False),  # in the shard, where it starts
        pa.field("start", pa.uint32(), nullable=False),  # token in that block
        pa.field("tokens", pa.uint64(), nullable=False),
    ]
)
"""Columns of the table beside a shard."""


Integers = npt.NDArray[np.int64]
_NONE: Integers = np.empty(0, np.int64)


def materialize(path: str, out: str, runner: Runner) -> dict[str, Any]:
    """Write a mixture out; stopped, the same call goes on.

    Args:
        path: of MIX.toml.
        out: a directory for this mixture alone.
        runner: what runs the job.

    Returns:
        The content of mixture.json.

    Raises:
        UsageError: `out` holds something else, or the mixture is too small for a document.
        DataError: a shard is damaged.
    """
    mixture = load_mixture(path)
    resolved = resolve(mixture)
    members = shares(resolved)
    chunks = sum(member.written for member in members)
    if not chunks:
        raise UsageError(f"{path}: its budget is below one document of every component")
    first = members[0].dataset
    tokenizer = tokenizer_of(first, load_manifest(first))
    identity = _identity(mixture, resolved, members)
    size = resolved.budget * np.dtype(tokenizer.dtype).itemsize
    table, rows = files.join(out, TABLE), _rows(identity, chunks, -(-size // SHARD_BYTES))
    check_place(out, FILE, identity, TABLE, rows)
    with files.replacing(table) as output:
        pq.write_table(rows, output)
    step = Materialize(out, tuple(members), mixture.seed, tokenizer.dtype, identity)
    receipts = Job(step, table, STEP).run(runner)
    files.link_or_copy(Dataset.open(first).tokenizer_path, files.join(out, "tokenizer.json"))
    shards = [receipt.extra["shard"] for receipt in receipts]
    write_energon(out, {each["shard"]: each["blocks"] for each in shards}, {})
    told = _told(mixture, resolved, receipts) | {"digest": identity}
    files.write_json(files.join(out, FILE), told)
    return told


def _identity(mixture: Mixture, resolved: Resolved, members: Sequence[Share]) -> str:
    """Return the digest of all that decides what is written; directories may move."""
    plain = [{k: v for k, v in asdict(each).items() if k != "dataset"} for each in members]
    digests = [member.digest for member in resolved.members]
    return digest([STEP, FORMAT, mixture.seed, plain, digests, SHARD_BYTES])


def _rows(identity: str, chunks: int, shards: int) -> pa.Table:
    """Return the table of parts: the chunks cut into shards of equal numbers of them."""
    edges = np.linspace(0, chunks, min(shards, chunks) + 1).astype(np.int64).tolist()
    rows = [
        {
            "part": short_digest([identity, number]),
            "source": "mixture",
            "input": f"{start}-{stop}",
            "number": number,
            "start": start,
            "stop": stop,
        }
        for number, (start, stop) in enumerate(itertools.pairwise(edges))
    ]
    return pa.Table.from_pylist(rows, schema=ROWS)


@dataclass
class Materialize:
    """Makes a shard, its side files and a receipt of some of the chunks."""

    directory: str
    members: tuple[Share, ...]
    seed: int
    dtype: str
    digest: str

    def setup(self) -> None:
        """Open the datasets, and look up what is forgotten."""
        opened = {each.dataset: Dataset.open(each.dataset) for each in self.members}
        self._components = [
            opened[each.dataset].component(each.name.split("@")[0]) for each in self.members
        ]
        both = zip(self._components, self.members, strict=True)
        self._forgotten = [found.forgotten_by(each.tombstones) for found, each in both]
        self._ends = np.cumsum([each.written for each in self.members])

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        """Yield the one name."""
        yield row["part"]

    def work(self, row: dict[str, Any]) -> Iterator[Receipt]:
        """Write the documents of some chunks, shuffled."""
        members, numbers = self._documents(row)
        path = f"shards/mixture-{row['number']:05d}-{row['part'][:8]}.tar"
        url = files.join(self.directory, path)
        tokens = self._tokens(members, numbers)
        order = shuffled(derive(self.seed, STEP, "shard", row["number"]), len(numbers))
        places = []
        with ShardWriter(url, path[:-4].replace("/", "_"), self.dtype) as shard:
            for turn in order.tolist():
                places.append(shard.add(tokens[turn]))
            summary = shard.close()
        table = f"{path[:-4]}.parquet"
        lengths = np.array([len(each) for each in tokens], np.int64)[order]
        self._write_table(table, members[order], numbers[order], places, lengths)
        receipt = Receipt(
            name=row["part"],
            step=STEP,
            digest=self.digest,
            files={
                each: file_record(self.directory, each) for each in (path, f"{path}.idx", table)
            },
            extra={
                "shard": {
                    "shard": path,
                    "bytes": summary.bytes,
                    "blocks": summary.blocks,
                    "documents": summary.documents,
                    "tokens": summary.tokens,
                    "sha256": summary.sha256,
                },
                "tokens": self._counted(members[order], lengths),
            },
        )
        save_receipt(self.directory, receipt)
        yield receipt

    def _documents(self, row: dict[str, Any]) -> tuple[Integers, Integers]:
        """Return member and number of each document of a shard: int64 [n] each."""
        key, total = np.uint64(derive(self.seed, STEP)), int(self._ends[-1])
        members, numbers = [_NONE], [_NONE]
        for position in range(row["start"], row["stop"]):
            item = permute(position, total, key)
            member = int(self._ends.searchsorted(item, side="right"))
            drawn = item - int(self._ends[member] - self.members[member].written)
            found = np.array(self.members[member].numbers(drawn, self.seed), np.int64)
            kept = found[~np.isin(found, self._forgotten[member])]
            numbers.append(kept)
            members.append(np.full(len(kept), member))
        return np.concatenate(members), np.concatenate(numbers)

    def _tokens(self, members: Integers, numbers: Integers) -> list[npt.NDArray[Any]]:
        """Return the tokens of each document."""
        found: list[npt.NDArray[Any]] = [np.empty(0, self.dtype)] * len(numbers)
        for member in np.unique(members).tolist():
            mine = np.flatnonzero(members == member)
            # As the mixture's tombstones say, and not those that came since, for equal bytes.
            read = self._components[member].gather(numbers[mine], forgotten=True)
            for place, document in enumerate(mine.tolist()):
                found[document] = read.tokens[read.starts[place] : read.starts[place + 1]]
        return found

    def _write_table(
        self,
        path: str,
        members: Integers,
        numbers: Integers,
        places: Sequence[tuple[int, int]],
        lengths: Integers,
    ) -> None:
        at = np.array(places, np.uint32).reshape(-1, 2)
        names = pa.array([each.name for each in self.members], pa.string())
        indices = pa.array(members, pa.int32())
        columns = {
            "component": pa.DictionaryArray.from_arrays(indices, names),
            "document": numbers,
            "block": at[:, 0],
            "start": at[:, 1],
            "tokens": lengths.astype(np.uint64),
        }
        with files.replacing(files.join(self.directory, path)) as output:
            pq.write_table(pa.table(columns, schema=DOCUMENTS), output, compression="zstd")

    def _counted(self, members: Integers, lengths: Integers) -> dict[str, int]:
        sums = np.bincount(members, weights=lengths + 1, minlength=len(self.members))
        return {each.name: int(n) for each, n in zip(self.members, sums, strict=True) if n}


def _told(mixture: Mixture, resolved: Resolved, receipts: Sequence[Receipt]) -> dict[str, Any]:
    written: Counter[str] = Counter()
    for receipt in receipts:
        written.update(receipt.extra["tokens"])
    shards = [receipt.extra["shard"] for receipt in receipts]
    asked = resolved.shares()
    total = max(1, sum(written.values()))
    return {
        "mixture": mixture.model_dump(mode="json", exclude={"datasets"}),
        "components": {
            member.name: {
                "digest": member.digest,
                "tombstones": list(member.tombstones),
                "tokens": written[member.name],
                "asked": share,
                "got": written[member.name] / total,
                "epochs": written[member.name] / member.addresses,
            }
            for member, share in zip(resolved.members, asked, strict=True)
        },
        "tokens": sum(each["tokens"] for each in shards),
        "documents": sum(each["documents"] for each in shards),
        "shards": shards,
    }


def render(told: Mapping[str, Any], out: str) -> str:
    """Return what `materialize` says for people."""
    lines = [
        f"{out}: {formatting.plural(told['tokens'], 'token')} of "
        f"{formatting.plural(told['documents'], 'document')} in "
        f"{formatting.plural(len(told['shards']), 'shard')}"
    ]
    for name, each in told["components"].items():
        lines.append(
            f"  {name}  asked {formatting.share(each['asked'], 1)}, "
            f"got {formatting.share(each['got'], 1)}, {each['epochs']:.2f} epochs"
        )
    return "\n".join(lines)
