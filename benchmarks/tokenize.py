"""Texts to ids: against `tokenizers` on two cores, against tiktoken on one, and long documents.

CodeGen2's vocabulary beside `tokenizers`, GPT-2's beside tiktoken, both rebuilt from GPT-2's merges
(tokenizer/vocab.bpe beside the corpus); without them one that is trained on the spot. Ours encodes
the whole sample, from an empty cache each time; the peers, which are slow, encode files spread
over it, and their ids are compared with ours in the same run.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tiktoken

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.minhash_signatures import read_texts
from benchmarks.prepared import dataset
from manifests.dataset.dataset import Dataset
from manifests.tokenizer.byte_symbols import byte_symbols
from manifests.tokenizer.published import codegen2_tokenizer, gpt2_tokenizer
from manifests.tokenizer.tokenizer import load_text_tokenizer, train_tokenizer
from pipelines.tokenize.encoder.encoder import Encoder, make_encoder

RUNS = 3

CORES = 2

PEER_BYTES = 20_000_000
"""What a peer encodes in a run."""

LONG_BYTES = 50_000_000
"""Of the one long document."""

ON_DISK = 2.05
"""Bytes a token, at most, for a vocabulary of 16 bits."""

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
"""GPT-2's, as tiktoken has it (tiktoken_ext/openai_public.py)."""

PACKAGES = ("numba", "numpy", "pyarrow", "tokenizers")


def measure(data: Path) -> Sequence[Claim]:
    """Measure all."""
    os.environ["RAYON_NUM_THREADS"] = str(CORES)
    texts = read_texts(data)
    few = some(texts)
    say(f"tokenize: {texts.nbytes / 1e6:.0f} MB; peers {few.nbytes / 1e6:.0f} MB")
    return [
        beside_tokenizers(data, texts, few),
        beside_tiktoken(data, texts, few),
        one_long_document(data, texts),
        on_disk(data),
    ]


def some(texts: Any) -> Any:
    """Return PEER_BYTES of texts, spread over all."""
    count = max(1, int(len(texts) * min(1.0, PEER_BYTES / texts.nbytes)))
    return texts.take(np.linspace(0, len(texts) - 1, count).astype(np.int64))


def beside_tokenizers(data: Path, texts: Any, few: Any) -> Claim:
    """CodeGen2's vocabulary, each on the same cores."""
    encoder = fast(codegen2_tokenizer, data, texts)
    batch = few.to_pylist()

    def theirs() -> list[list[int]]:
        found = encoder.tokenizer.encode_batch(batch, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    compare(encoder, few, theirs())
    ours, peer = medians(
        RUNS,
        lambda: rate(lambda: by_threads(encoder, texts)) / 1e6,
        lambda: rate(lambda: len(theirs()) and few.nbytes) / 1e6,
    )
    claim = f"encoding with CodeGen2's vocabulary, MB/s on {CORES} cores, against encode_batch"
    return Claim(claim, ours, peer, 4, PACKAGES)


def by_threads(encoder: Encoder, texts: Any) -> int:
    """Encode with a fresh cache on each core, and return the bytes."""
    cuts = np.linspace(0, len(texts), 8 * CORES + 1).astype(np.int64).tolist()
    pieces = [texts.slice(start, stop - start) for start, stop in pairwise(cuts)]
    workers = [fresh(encoder) for _ in range(CORES)]

    def work(number: int) -> None:
        for piece in pieces[number::CORES]:
            workers[number].encode(piece)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(work, range(CORES)))
    return int(texts.nbytes)


def beside_tiktoken(data: Path, texts: Any, few: Any) -> Claim:
    """GPT-2's vocabulary, one thread each."""
    encoder = fast(gpt2_tokenizer, data, texts)
    program = as_tiktoken(json.loads(encoder.tokenizer.to_str())["model"]["vocab"])
    batch = few.to_pylist()

    def theirs() -> list[list[int]]:
        return [program.encode_ordinary(text) for text in batch]

    compare(encoder, few, theirs())
    ours, peer = medians(
        RUNS,
        lambda: rate(lambda: whole(encoder, texts)) / 1e6,
        lambda: rate(lambda: len(theirs()) and few.nbytes) / 1e6,
    )
    claim = "encoding with GPT-2's vocabulary, MB/s on one thread, against tiktoken"
    return Claim(claim, ours, peer, 3, (*PACKAGES, "tiktoken"))


def as_tiktoken(vocabulary: dict[str, int]) -> tiktoken.Encoding:
    """Return tiktoken's encoding of a byte-level vocabulary, its ids in the order of merges."""
    bytes_of = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    ranks = {
        bytes(bytes_of[symbol] for symbol in token): number for token, number in vocabulary.items()
    }
    return tiktoken.Encoding("same", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def one_long_document(data: Path, texts: Any) -> Claim:
    """All texts in one against the same texts one by one."""
    encoder = fast(codegen2_tokenizer, data, texts)
    piece = texts.slice(0, max(1, int(len(texts) * min(1.0, LONG_BYTES / texts.nbytes))))
    joined = pa.array(["".join(piece.to_pylist())], pa.large_string())
    one, many = medians(
        RUNS,
        lambda: rate(lambda: whole(encoder, joined)) / 1e6,
        lambda: rate(lambda: whole(encoder, piece)) / 1e6,
    )
    claim = f"one document of {joined.nbytes / 1e6:.0f} MB, MB/s, against its files one by one"
    return Claim(claim, one, many, 0.9, PACKAGES)


def on_disk(data: Path) -> Claim:
    """The bytes of all shards against what they may have."""
    opened = Dataset.open(str(dataset(data)))
    size = sum(opened.shards["bytes"].to_pylist())
    tokens = sum(opened.shards["tokens"].to_pylist())
    claim = f"bytes a token that shards may have, {ON_DISK}, against those they have"
    return Claim(claim, ON_DISK, size / tokens, 1, ("numpy",))


def whole(encoder: Encoder, texts: Any) -> int:
    """Encode with a fresh cache, and return the bytes."""
    fresh(encoder).encode(texts)
    return int(texts.nbytes)


def fresh(encoder: Encoder) -> Encoder:
    """Return an encoder that has met no word yet."""
    return Encoder(encoder.tokenizer, encoder.tables)


def fast(rebuild: Any, data: Path, texts: Any) -> Encoder:
    """Return the encoder of a published vocabulary, or of one trained on some texts."""
    merges = data.parent / "tokenizer" / "vocab.bpe"
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "tokenizer.json")
        if merges.exists():
            path.write_bytes(rebuild(merges.read_bytes()))
        else:
            path.write_bytes(train_tokenizer(some(texts).to_pylist(), 32_000, 100))
        encoder = make_encoder(load_text_tokenizer(str(path)))
    if not encoder.is_fast:
        raise AssertionError("the kernel is not proven for this vocabulary")
    return encoder


def compare(encoder: Encoder, texts: Any, expected: Sequence[Sequence[int]]) -> None:
    """Stop unless all ids are those of a peer."""
    for ids, known in zip(encoder.encode(texts), expected, strict=True):
        if not np.array_equal(ids, known):
            raise AssertionError("the peer's ids are other ones")


if __name__ == "__main__":
    main("benchmarks.tokenize", measure)
