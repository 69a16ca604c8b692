"""Write a mixture as plain shuffled shards, for trainers without Stackpile's stream.

The shards hold whole documents in blocks, as a dataset does: sequences would fix the length, the
packing and the objective. The output is no dataset of Stackpile, because a document occurs as often
as the epochs of the mixture say: there is no manifest, and nothing can be mixed again.

    OUT/shards/mixture-00000-01234567.tar        WebDataset: KEY.offsets.npy, KEY.tokens.npy
    OUT/shards/mixture-00000-01234567.parquet    component, number and place of each document
    OUT/mixture.json                             the mixture, its result, every shard's SHA-256
    OUT/tokenizer.json

A keyed permutation assigns chunks of consecutive documents to shards. Then the documents of a shard
are shuffled. The output is a function of the mixture and its datasets: any number of workers writes
the same bytes, and a part with a receipt is not written again.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.console import formatting
from manifests.dataset.dataset import Dataset, tokenizer_of
from manifests.dataset.writer import energon_files
from manifests.errors import UsageError
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.io.parquet import write_table
from manifests.lineage.manifest import load_manifest
from manifests.lineage.receipts import Receipt, write_receipt
from manifests.mixture.config import Mixture, load_mixture
from manifests.mixture.resolve import Resolved, resolve
from manifests.prng.permutation import permute
from manifests.prng.splitmix import derive_key, shuffled
from manifests.schemas import FORMAT, schema_of
from manifests.shards.writer import ShardWriter
from pipelines.maintain.chunks import ComponentChunks, component_chunks
from pipelines.maintain.output_guard import check_output
from pipelines.runtime.job import Job
from pipelines.runtime.runners import Runner
from pipelines.runtime.step import Step

STEP = "materialize"
FILE = "mixture.json"
TABLE = "materialize.parquet"

SHARD_BYTES = 256 << 20
"""Bytes of the tokens of a shard. Ours: a worker shuffles a shard in memory."""


class MaterializeRow(TypedDict):
    """A row of materialize.parquet: a shard, and its chunks in the shuffled order."""

    part: str
    """Name of the receipt."""
    source: str
    input: str
    number: int
    start: int
    stop: int


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
    """Write a mixture as plain shards. The same call continues after a stop.

    Args:
        path: the path of MIX.toml.
        out: a directory for this mixture alone.
        runner: the Beam runner.

    Returns:
        The content of mixture.json.

    Raises:
        UsageError: `out` holds something else, or the budget is below one document.
        DataError: a shard is damaged.
    """
    mixture = load_mixture(path)
    resolved = resolve(mixture)
    members = component_chunks(resolved)
    chunks = sum(member.written for member in members)
    if not chunks:
        raise UsageError(f"{path}: its budget is below one document of every component")
    first = members[0].dataset
    tokenizer = tokenizer_of(first, load_manifest(first))
    identity = _identity(mixture, resolved, members)
    size = resolved.budget * np.dtype(tokenizer.dtype).itemsize
    table, rows = files.join(out, TABLE), _rows(identity, chunks, -(-size // SHARD_BYTES))
    check_output(out, FILE, identity, TABLE, rows)
    write_table(table, rows)
    step = Materialize(out, tuple(members), mixture.seed, tokenizer.dtype, identity)
    receipts = Job(step, table, STEP).run(runner)
    files.link_or_copy(Dataset.open(first).tokenizer_path, files.join(out, "tokenizer.json"))
    shards = [receipt.extra["shard"] for receipt in receipts]
    train = {shard["shard"]: shard["blocks"] for shard in shards}
    for name, content in energon_files(train, {}).items():
        files.write_bytes(files.join(out, name), content)
    summary = _summary(mixture, resolved, receipts) | {"digest": identity}
    files.write_json(files.join(out, FILE), summary)
    return summary


def _identity(mixture: Mixture, resolved: Resolved, members: Sequence[ComponentChunks]) -> str:
    """Return the digest of everything that determines the output; directories may move."""
    plain = [{k: v for k, v in asdict(member).items() if k != "dataset"} for member in members]
    digests = [member.digest for member in resolved.members]
    return digest([STEP, FORMAT, mixture.seed, plain, digests, SHARD_BYTES])


def _rows(identity: str, chunks: int, shards: int) -> pa.Table:
    """Return the table of parts: shards of equal numbers of chunks."""
    edges = np.linspace(0, chunks, min(shards, chunks) + 1).astype(np.int64).tolist()
    rows: list[MaterializeRow] = [
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
    return pa.Table.from_pylist(rows, schema=schema_of(MaterializeRow))


@dataclass
class Materialize(Step[MaterializeRow]):
    """The step that writes a shard, its side files and a receipt."""

    directory: str
    members: tuple[ComponentChunks, ...]
    seed: int
    dtype: str
    digest: str

    def setup(self) -> None:
        """Open the datasets and their tombstones."""
        opened = {member.dataset: Dataset.open(member.dataset) for member in self.members}
        self._components = [
            opened[member.dataset].component(member.name.split("@")[0]) for member in self.members
        ]
        pairs = zip(self._components, self.members, strict=True)
        self._forgotten = [component.forgotten_by(m.tombstones) for component, m in pairs]
        self._ends = np.cumsum([member.written for member in self.members])

    def receipts(self, row: MaterializeRow) -> Iterator[str]:
        """Yield the one name."""
        yield row["part"]

    def work(self, row: MaterializeRow) -> None:
        """Write the documents of a shard in a shuffled order."""
        members, numbers = self._documents(row)
        path = f"shards/mixture-{row['number']:05d}-{row['part'][:8]}.tar"
        url = files.join(self.directory, path)
        tokens = self._tokens(members, numbers)
        order = shuffled(derive_key(self.seed, STEP, "shard", row["number"]), len(numbers))
        with ShardWriter(url, path[:-4].replace("/", "_"), self.dtype) as shard:
            places = np.array([shard.add(tokens[index]) for index in order.tolist()], np.int64)
            summary = shard.close()
        table = f"{path[:-4]}.parquet"
        lengths = np.array([len(document) for document in tokens], np.int64)[order]
        self._write_table(table, members[order], numbers[order], places, lengths)
        write_receipt(
            self.directory,
            [path, f"{path}.idx", table],
            name=row["part"],
            step=STEP,
            digest=self.digest,
            extra={
                "shard": {"shard": path, **summary.totals()},
                "tokens": self._count_tokens(members[order], lengths),
            },
        )

    def _documents(self, row: MaterializeRow) -> tuple[Integers, Integers]:
        """Return member and number of each document of a shard: int64 [n] each."""
        key, total = np.uint64(derive_key(self.seed, STEP)), int(self._ends[-1])
        members, numbers = [_NONE], [_NONE]
        for position in range(row["start"], row["stop"]):
            item = permute(position, total, key)
            member = int(self._ends.searchsorted(item, side="right"))
            drawn = item - int(self._ends[member] - self.members[member].written)
            documents = np.array(self.members[member].numbers(drawn, self.seed), np.int64)
            kept = documents[~np.isin(documents, self._forgotten[member])]
            numbers.append(kept)
            members.append(np.full(len(kept), member))
        return np.concatenate(members), np.concatenate(numbers)

    def _tokens(self, members: Integers, numbers: Integers) -> list[npt.NDArray[Any]]:
        """Return the tokens of each document."""
        tokens: list[npt.NDArray[Any]] = [np.empty(0, self.dtype)] * len(numbers)
        for member in np.unique(members).tolist():
            rows = np.flatnonzero(members == member)
            # The mixture's tombstones were applied above. Later ones would change the bytes.
            read = self._components[member].gather(numbers[rows], forgotten=True)
            for index, row in enumerate(rows.tolist()):
                tokens[row] = read.tokens[read.starts[index] : read.starts[index + 1]]
        return tokens

    def _write_table(
        self, path: str, members: Integers, numbers: Integers, places: Integers, lengths: Integers
    ) -> None:
        """Write the table of a shard's documents."""
        block, start = places.reshape(-1, 2).astype(np.uint32).T
        names = pa.array([member.name for member in self.members], pa.string())
        indices = pa.array(members, pa.int32())
        columns = {
            "component": pa.DictionaryArray.from_arrays(indices, names),
            "document": numbers,
            "block": block,
            "start": start,
            "tokens": lengths.astype(np.uint64),
        }
        table = pa.table(columns, schema=DOCUMENTS)
        write_table(files.join(self.directory, path), table, compression="zstd")

    def _count_tokens(self, members: Integers, lengths: Integers) -> dict[str, int]:
        """Return the tokens of each member, with one end token for each document."""
        sums = np.bincount(members, weights=lengths + 1, minlength=len(self.members))
        return {member.name: int(n) for member, n in zip(self.members, sums, strict=True) if n}


def _summary(mixture: Mixture, resolved: Resolved, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """Return the content of mixture.json."""
    written: Counter[str] = Counter()
    for receipt in receipts:
        written.update(receipt.extra["tokens"])
    shards = [receipt.extra["shard"] for receipt in receipts]
    total = max(1, sum(written.values()))
    return {
        "mixture": mixture.model_dump(mode="json", exclude={"datasets"}),
        "components": {
            member.name: {
                "digest": member.digest,
                "tombstones": list(member.tombstones),
                "tokens": written[member.name],
                "requested_share": share,
                "share": written[member.name] / total,
                "epochs": written[member.name] / member.addresses,
            }
            for member, share in zip(resolved.members, resolved.shares(), strict=True)
        },
        "tokens": sum(shard["tokens"] for shard in shards),
        "documents": sum(shard["documents"] for shard in shards),
        "shards": shards,
    }


def materialized_text(summary: Mapping[str, Any], out: str) -> str:
    """Return the result of `materialize` as text for the terminal."""
    lines = [
        f"{out}: {formatting.plural(summary['tokens'], 'token')} of "
        f"{formatting.plural(summary['documents'], 'document')} in "
        f"{formatting.plural(len(summary['shards']), 'shard')}"
    ]
    for name, component in summary["components"].items():
        lines.append(
            f"  {name}  requested {formatting.share(component['requested_share'], 1)}, "
            f"share {formatting.share(component['share'], 1)}, {component['epochs']:.2f} epochs"
        )
    return "\n".join(lines)
