"""The tokenizer of a corpus: a file, CodeGen2's vocabulary, or one trained on what stays."""

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters import redaction
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.lineage.manifest import FILE as MANIFEST
from manifests.lineage.receipts import Receipt, file_record, is_whole, load_receipt, save_receipt
from manifests.tokenizer.published import codegen2_tokenizer, codegen25_tokenizer
from manifests.tokenizer.tokenizer import train_tokenizer
from pipelines.corpus.tokenize_table import Tokenize
from pipelines.tokenize.kept_documents import Surviving

STEP = "tokenizer"

FILE = "tokenizer.json"

SAMPLE_BYTES = 64 << 20
"""Text that a tokenizer is trained on, in bytes, about: more changes few merges, and takes long."""

LONGEST = 1 << 20
"""Characters of a document that a tokenizer is trained on: one file must not make its merges."""


def make_tokenizer(
    directory: str, config: Tokenize, inputs: Surviving, redacted: Collection[str]
) -> Receipt:
    """Write tokenizer.json into tokenize-NAME/, unless it is there, and return its receipt.

    Personal data of the sources in `redacted` is replaced before a tokenizer is trained on them.
    """
    kind = config.tokenizer
    origin: list[Any] = [kind.given, kind.train, kind.masks]
    if kind.path:
        origin.append(files.sha256(kind.path))
    else:
        origin += [inputs.identity, SAMPLE_BYTES, LONGEST, sorted(redacted), redaction.VERSION]
    name = short_digest([STEP, *origin])
    receipt = load_receipt(directory, name)
    if receipt and is_whole(directory, receipt):
        return receipt
    content = _content(config, inputs, redacted)
    # The manifest of another tokenizer must not stand beside this one.
    files.remove(files.join(directory, MANIFEST))
    files.write_bytes(files.join(directory, FILE), content)
    receipt = Receipt(
        name=name,
        step=STEP,
        digest=digest(origin),
        files={FILE: file_record(directory, FILE)},
    )
    save_receipt(directory, receipt)
    return receipt


def _content(config: Tokenize, inputs: Surviving, redacted: Collection[str]) -> bytes:
    kind = config.tokenizer
    if kind.file:
        return files.read_bytes(kind.file)
    if kind.codegen2:
        return codegen2_tokenizer(files.read_bytes(kind.codegen2))
    if kind.codegen25:
        return codegen25_tokenizer(files.read_bytes(kind.codegen25))
    assert kind.train
    return train_tokenizer(sample(inputs, redacted), kind.train, kind.masks)


def sample(inputs: Surviving, redacted: Collection[str]) -> Iterator[str]:
    """Yield the documents that a tokenizer is trained on, SAMPLE_BYTES of them, about.

    A document's id decides, so parts and order do not matter. Personal data of the sources in
    `redacted` is replaced.
    """
    limit = min(1 << 64, (SAMPLE_BYTES << 64) // max(1, inputs.bytes))
    for part in inputs.parts:
        for table in inputs.tables(part["name"], heldout=False):
            drawn = [int.from_bytes(id[:8], "little") < limit for id in table["id"].to_pylist()]
            texts = pc.utf8_slice_codeunits(table["text"].filter(pa.array(drawn)), 0, LONGEST)
            if part["source"] in redacted:
                texts = redaction.redact(texts).texts
            for text in texts:
                yield text.as_py()
