"""The tokenizer of a corpus: a file, CodeGen2's vocabulary, or one trained on what stays."""

from collections.abc import Iterator
from typing import Any

from manifests import files
from manifests.canonical import digest, short_digest
from manifests.manifest import FILE as MANIFEST
from manifests.receipts import Receipt, file_record, is_whole, load_receipt, save_receipt
from manifests.tokenizer import codegen2_tokenizer, train_tokenizer
from pipelines.corpus import Tokenize
from pipelines.surviving import Surviving

STEP = "tokenizer"

FILE = "tokenizer.json"

SAMPLE_BYTES = 64 << 20
"""Text that a tokenizer is trained on, in bytes, about: more changes few merges, and takes long."""

LONGEST = 1 << 20
"""Characters of a document that a tokenizer is trained on: one file must not make its merges."""


def make_tokenizer(directory: str, config: Tokenize, inputs: Surviving) -> Receipt:
    """Write tokenizer.json into tokenize-NAME/, unless it is there, and return its receipt."""
    kind = config.tokenizer
    origin: list[Any] = [kind.model_dump(exclude={"file", "codegen2"})]
    origin += [files.sha256(kind.path)] if kind.path else [inputs.identity, SAMPLE_BYTES, LONGEST]
    name = short_digest([STEP, *origin])
    receipt = load_receipt(directory, name)
    if receipt and is_whole(directory, receipt):
        return receipt
    content = _content(config, inputs)
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


def _content(config: Tokenize, inputs: Surviving) -> bytes:
    kind = config.tokenizer
    if kind.file:
        return files.read_bytes(kind.file)
    if kind.codegen2:
        return codegen2_tokenizer(files.read_bytes(kind.codegen2))
    assert kind.train
    return train_tokenizer(_sample(inputs), kind.train, kind.masks)


def _sample(inputs: Surviving) -> Iterator[str]:
    """A share of the documents for training, by their ids, so parts and order do not matter."""
    limit = min(1 << 64, (SAMPLE_BYTES << 64) // max(1, inputs.bytes))
    for part in inputs.parts:
        for table in inputs.tables(part["name"], heldout=False):
            for id, text in zip(table["id"].to_pylist(), table["text"], strict=True):
                if int.from_bytes(id[:8], "little") < limit:
                    yield text.as_py()[:LONGEST]
