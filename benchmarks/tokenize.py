"""Encoding throughput beside `tokenizers`, tiktoken and gigatoken, and the size of the shards.

The vocabularies of CodeGen2 and GPT-2 are rebuilt from GPT-2's merges (tokenizer/vocab.bpe beside
the corpus); without that file a tokenizer is trained. Stackpile and gigatoken encode the whole
sample with an empty cache in each run. `tokenizers` and tiktoken encode PEER_BYTES of files spread
over the sample. The ids of every peer are compared with Stackpile's in the same run.
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import gigatoken
import numpy as np
import pyarrow as pa
import tiktoken
from tokenizers import Tokenizer

from benchmarks.claims import Claim, main, medians, rate, say
from benchmarks.minhash_signatures import read_texts
from benchmarks.prepared import dataset
from manifests.dataset.dataset import Dataset
from manifests.tokenizer.byte_symbols import byte_symbols
from manifests.tokenizer.published import codegen2_tokenizer, gpt2_tokenizer
from manifests.tokenizer.tokenizer import load_text_tokenizer, train_tokenizer
from pipelines.tokenize.encoder import Encoder, make_encoder
from pipelines.tokenize.fast_tokenizer import make_fast_tokenizer

RUNS = 5

CORES = 2

PEER_BYTES = 20_000_000
"""Bytes that a slow peer encodes in a run."""

LONG_BYTES = 50_000_000
"""Bytes of the one long document."""

BATCH_BYTES = 8 << 20
"""Bytes encoded in one call, as in the job."""

DISK_BYTES = 2.05
"""Bytes a token, at most, for a vocabulary of 16 bits."""

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
"""The pattern of GPT-2 as tiktoken has it (tiktoken_ext/openai_public.py)."""

PACKAGES = ("gigatoken", "numpy", "pyarrow", "tokenizers")


def measure(data: Path) -> Sequence[Claim]:
    """Return the claims about encoding and about the shards."""
    os.environ["RAYON_NUM_THREADS"] = str(CORES)
    texts = read_texts(data)
    sample = spread(texts)
    say(f"tokenize: {texts.nbytes / 1e6:.0f} MB; slow peers {sample.nbytes / 1e6:.0f} MB")
    codegen2 = text_tokenizer(codegen2_tokenizer, data, texts)
    gpt2 = text_tokenizer(gpt2_tokenizer, data, texts)
    return [
        beside_gigatoken("CodeGen2", codegen2, texts),
        beside_gigatoken("GPT-2", gpt2, texts),
        beside_tokenizers(codegen2, texts, sample),
        beside_tiktoken(gpt2, texts, sample),
        one_long_document(codegen2, texts),
        on_disk(data),
    ]


def spread(texts: Any) -> Any:
    """Return PEER_BYTES of texts, spread over all."""
    count = max(1, int(len(texts) * min(1.0, PEER_BYTES / texts.nbytes)))
    return texts.take(np.linspace(0, len(texts) - 1, count).astype(np.int64))


def beside_gigatoken(name: str, tokenizer: Tokenizer, texts: Any) -> Claim:
    """Compare with gigatoken alone on one thread, which checks neither the input nor the ids."""
    definition = tokenizer.to_str()

    def peer() -> int:
        program = gigatoken.Tokenizer.from_json(definition)
        for batch in batches(texts):
            program.encode_batch(ak.from_arrow(batch), parallel=False)
        return int(texts.nbytes)

    sample = spread(texts)
    program = gigatoken.Tokenizer.from_json(definition)
    compare(tokenizer, sample, program.encode_batch_list(ak.from_arrow(sample), parallel=False))
    ours, theirs = medians(
        RUNS, lambda: rate(lambda: whole(tokenizer, texts)) / 1e6, lambda: rate(peer) / 1e6
    )
    claim = f"encoding with {name}'s vocabulary, MB/s on one thread, against gigatoken alone"
    return Claim(claim, ours, theirs, 0.9, PACKAGES)


def beside_tokenizers(tokenizer: Tokenizer, texts: Any, sample: Any) -> Claim:
    """Compare with `tokenizers` on CodeGen2's vocabulary, both on the same cores."""
    batch = sample.to_pylist()

    def peer() -> list[list[int]]:
        encodings = tokenizer.encode_batch(batch, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    compare(tokenizer, sample, peer())
    ours, theirs = medians(
        RUNS,
        lambda: rate(lambda: by_threads(tokenizer, texts)) / 1e6,
        lambda: rate(lambda: len(peer()) and sample.nbytes) / 1e6,
    )
    claim = f"encoding with CodeGen2's vocabulary, MB/s on {CORES} cores, against encode_batch"
    return Claim(claim, ours, theirs, 4, PACKAGES)


def by_threads(tokenizer: Tokenizer, texts: Any) -> int:
    """Encode with an empty cache on each core, and return the bytes."""
    cuts = np.linspace(0, len(texts), 8 * CORES + 1).astype(np.int64).tolist()
    pieces = [texts.slice(start, stop - start) for start, stop in pairwise(cuts)]
    workers = [fresh(tokenizer) for _ in range(CORES)]

    def work(number: int) -> None:
        for piece in pieces[number::CORES]:
            workers[number].encode(piece)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(work, range(CORES)))
    return int(texts.nbytes)


def beside_tiktoken(tokenizer: Tokenizer, texts: Any, sample: Any) -> Claim:
    """Compare with tiktoken on GPT-2's vocabulary, one thread each."""
    program = as_tiktoken(json.loads(tokenizer.to_str())["model"]["vocab"])
    batch = sample.to_pylist()

    def peer() -> list[list[int]]:
        return [program.encode_ordinary(text) for text in batch]

    compare(tokenizer, sample, peer())
    ours, theirs = medians(
        RUNS,
        lambda: rate(lambda: whole(tokenizer, texts)) / 1e6,
        lambda: rate(lambda: len(peer()) and sample.nbytes) / 1e6,
    )
    claim = "encoding with GPT-2's vocabulary, MB/s on one thread, against tiktoken"
    return Claim(claim, ours, theirs, 3, (*PACKAGES, "tiktoken"))


def as_tiktoken(vocabulary: dict[str, int]) -> tiktoken.Encoding:
    """Return tiktoken's encoding of a byte-level vocabulary, its ids in the order of merges."""
    bytes_of = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    ranks = {
        bytes(bytes_of[symbol] for symbol in token): number for token, number in vocabulary.items()
    }
    return tiktoken.Encoding("same", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def one_long_document(tokenizer: Tokenizer, texts: Any) -> Claim:
    """Compare all texts in one document with the same texts one by one."""
    piece = texts.slice(0, max(1, int(len(texts) * min(1.0, LONG_BYTES / texts.nbytes))))
    joined = pa.array(["".join(piece.to_pylist())], pa.large_string())
    one, many = medians(
        RUNS,
        lambda: rate(lambda: whole(tokenizer, joined)) / 1e6,
        lambda: rate(lambda: whole(tokenizer, piece)) / 1e6,
    )
    claim = f"one document of {joined.nbytes / 1e6:.0f} MB, MB/s, against its files one by one"
    return Claim(claim, one, many, 0.9, PACKAGES)


def on_disk(data: Path) -> Claim:
    """Compare the bytes of all shards with what they may have."""
    opened = Dataset.open(str(dataset(data)))
    size = sum(opened.shards["bytes"].to_pylist())
    tokens = sum(opened.shards["tokens"].to_pylist())
    claim = f"bytes a token that shards may have, {DISK_BYTES}, against those they have"
    return Claim(claim, DISK_BYTES, size / tokens, 1, ("numpy",))


def whole(tokenizer: Tokenizer, texts: Any) -> int:
    """Encode with an empty cache, and return the bytes."""
    encoder = fresh(tokenizer)
    for batch in batches(texts):
        encoder.encode(batch)
    return int(texts.nbytes)


def batches(texts: Any) -> list[Any]:
    """Return slices of about BATCH_BYTES."""
    cuts = np.linspace(0, len(texts), texts.nbytes // BATCH_BYTES + 2).astype(np.int64).tolist()
    return [texts.slice(start, stop - start) for start, stop in pairwise(cuts)]


def fresh(tokenizer: Tokenizer) -> Encoder:
    """Return an encoder with an empty cache, without the proof at load."""
    return Encoder(tokenizer, make_fast_tokenizer(tokenizer))


def text_tokenizer(rebuild: Callable[[bytes], bytes], data: Path, texts: Any) -> Tokenizer:
    """Return the tokenizer of a published vocabulary, or one trained on some of the texts."""
    merges = data.parent / "tokenizer" / "vocab.bpe"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "tokenizer.json")
        if merges.exists():
            path.write_bytes(rebuild(merges.read_bytes()))
        else:
            path.write_bytes(train_tokenizer(spread(texts).to_pylist(), 32_000, 100))
        tokenizer = load_text_tokenizer(str(path))
    if not make_encoder(tokenizer).is_fast:
        raise AssertionError("gigatoken is not proven for this vocabulary")
    return tokenizer


def compare(tokenizer: Tokenizer, texts: Any, expected: Sequence[Sequence[int]]) -> None:
    """Raise AssertionError unless all ids are those of a peer."""
    for ids, known in zip(fresh(tokenizer).encode(texts), expected, strict=True):
        if not np.array_equal(ids, known):
            raise AssertionError("the ids of the peer differ")


if __name__ == "__main__":
    main("benchmarks.tokenize", measure)
