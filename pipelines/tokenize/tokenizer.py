"""The tokenizer of a dataset: a file, CodeGen2's vocabulary, or a trained one."""

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters import redaction
from manifests.io import files
from manifests.io.digest import digest, short_digest
from manifests.lineage.manifest import FILE as MANIFEST
from manifests.lineage.receipts import Receipt, load_receipt, write_receipt
from manifests.tokenizer.published import codegen2_tokenizer, codegen25_tokenizer
from manifests.tokenizer.tokenizer import FIM, train_tokenizer
from pipelines.corpus.tokenize_table import Tokenize, Tokenizer
from pipelines.tokenize.kept_documents import KeptDocuments

STEP = "tokenizer"

OBJECTIVE_TOKENS = (*FIM.values(), *(f"<dummy_{number}>" for number in range(7)))
"""Control tokens that a trained tokenizer has besides those of spans: the sentinels of fill in the
middle, and a task token for each task of the objectives."""

FILE = "tokenizer.json"

SAMPLE_BYTES = 64 << 20
"""Bytes of text, about, that a tokenizer is trained on (ours: more text changes few merges)."""

MAX_CHARACTERS = 1 << 20
"""Characters of a document that a tokenizer is trained on (ours: one file must not decide the
merges)."""


def make_tokenizer(
    directory: str, config: Tokenize, kept: KeptDocuments, redacted: Collection[str]
) -> Receipt:
    """Write tokenizer.json into tokenize-NAME/, unless it is there, and return its receipt.

    Args:
        directory: tokenize-NAME/.
        config: the table [tokenize] of CORPUS.toml.
        kept: the documents that a tokenizer is trained on.
        redacted: sources whose personal data is replaced before training.
    """
    origin = config.tokenizer
    identity: list[Any] = [origin.given, origin.train, origin.masks]
    if origin.path:
        identity.append(files.sha256(origin.path))
    else:
        parts = [part.identity for part in kept.parts]
        identity += [
            OBJECTIVE_TOKENS,
            parts,
            SAMPLE_BYTES,
            MAX_CHARACTERS,
            sorted(redacted),
            redaction.VERSION,
        ]
    name = short_digest([STEP, *identity])
    url = files.join(directory, FILE)
    receipt = load_receipt(directory, name)
    # Another tokenizer of the same size may have replaced this one since.
    if receipt and files.exists(url) and files.sha256(url) == receipt.files[FILE].sha256:
        return receipt
    content = _content(origin, kept, redacted)
    # The manifest of another tokenizer must not stand beside this one.
    files.remove(files.join(directory, MANIFEST))
    files.write_bytes(url, content)
    return write_receipt(directory, [FILE], name=name, step=STEP, digest=digest(identity))


def _content(origin: Tokenizer, kept: KeptDocuments, redacted: Collection[str]) -> bytes:
    """Return the tokenizer.json that [tokenize] asks for."""
    if origin.file:
        return files.read_bytes(origin.file)
    if origin.codegen2:
        return codegen2_tokenizer(files.read_bytes(origin.codegen2))
    if origin.codegen25:
        return codegen25_tokenizer(files.read_bytes(origin.codegen25))
    assert origin.train
    texts = sample_texts(kept, redacted)
    return train_tokenizer(texts, origin.train, origin.masks, OBJECTIVE_TOKENS)


def sample_texts(kept: KeptDocuments, redacted: Collection[str]) -> Iterator[str]:
    """Yield the texts that a tokenizer is trained on: about SAMPLE_BYTES of them.

    The id of a document decides whether it is drawn, so the sample does not depend on the parts
    or their order. Held-out documents are not drawn.

    Args:
        kept: the documents.
        redacted: sources whose personal data is replaced.
    """
    limit = min(1 << 64, (SAMPLE_BYTES << 64) // max(1, kept.bytes))
    for part in kept.parts:
        for table in kept.tables.read(part.name, heldout=False):
            drawn = [int.from_bytes(id[:8], "little") < limit for id in table["id"].to_pylist()]
            texts = table["text"].filter(pa.array(drawn))
            texts = pc.utf8_slice_codeunits(texts, 0, MAX_CHARACTERS)
            if part.source in redacted:
                texts = redaction.redact(texts).texts
            for text in texts:
                yield text.as_py()
