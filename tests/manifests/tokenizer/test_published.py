"""CodeGen2's and CodeGen2.5's vocabularies, rebuilt: the ids of the published programs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from manifests.errors import DataError
from manifests.tokenizer.byte_symbols import byte_symbols, gpt2_order
from manifests.tokenizer.published import REBUILT
from manifests.tokenizer.tokenizer import (
    control_of,
    encode_documents,
    load_text_tokenizer,
    load_tokenizer,
)
from pipelines.tokenize.encoder import Encoder, load_encoder
from pipelines.tokenize.hard_texts import hard_texts

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "tokenizer"
CORPUS = PUBLISHED.parent / "corpus"

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
"""tiktoken's for GPT-2 (tiktoken_ext/openai_public.py)."""

CODE = ["def f(x):\n    return x + 1\n", "for i in range(10):\n\tprint(i)\n", "# a b c\n"]


@pytest.fixture(scope="module")
def merges():
    if not PUBLISHED.is_dir():
        pytest.skip("ids are not compared: ../shared/data/tokenizer is not there")
    return (PUBLISHED / "vocab.bpe").read_bytes()


@pytest.fixture(scope="module")
def paths(merges, tmp_path_factory):
    directory = tmp_path_factory.mktemp("tokenizers")
    for name, rebuild in REBUILT.items():
        (directory / name).write_bytes(rebuild(merges))
    return {name: str(directory / name) for name in REBUILT}


@pytest.fixture(scope="module")
def encoders(paths):
    return {name: load_encoder(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def codegen2(paths):
    return paths["codegen2"]


@pytest.fixture(scope="module")
def codegen25(paths):
    return paths["codegen2.5"]


@pytest.fixture(scope="module")
def codegen25_encoder(encoders):
    return encoders["codegen2.5"]


@pytest.fixture(scope="module")
def codegen25_ranks(merges):
    """What tokenization_codegen25.py hands to tiktoken: GPT-2's ranks, then runs of whitespace."""
    bytes_of = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    tokens = [bytes([byte]) for byte in gpt2_order()]
    for line in merges.decode().splitlines()[1:]:
        tokens.append(bytes(bytes_of[symbol] for symbol in line.replace(" ", "")))
    ranks = {token: number for number, token in enumerate(tokens)}
    runs = [b" " * length for length in range(31, 1, -1)] + [b"\t" * n for n in range(9, 1, -1)]
    return ranks | {run: 50257 + number for number, run in enumerate(runs)}


@pytest.fixture(scope="module")
def codegen25_program(codegen25_ranks):
    return tiktoken.Encoding(
        "codegen25",
        pat_str=PATTERN,
        mergeable_ranks=codegen25_ranks,
        special_tokens={"<|endoftext|>": 50256},
    )


def test_codegen2_is_rebuilt_with_the_published_ids(codegen2):
    ours = json.loads(Path(codegen2).read_bytes())
    published = json.loads((PUBLISHED / "codegen2-tokenizer.json").read_bytes())
    assert ours["model"]["vocab"] == published["model"]["vocab"]
    assert ours["added_tokens"] == published["added_tokens"]
    control = control_of(codegen2)
    assert (control.end, control.sep, control.eom, control.mask_1) == (50256, 50299, 50300, 51199)
    assert (control.masks, control.vocabulary) == (899, 51200)
    assert control == control_of(str(PUBLISHED / "codegen2-tokenizer.json"))


def test_codegen2_encodes_as_published(codegen2):
    texts = [
        *CODE[:3],
        "\t\t\tif  x:\n" + " " * 40 + "y",
        "\u6f22\u5b57 \U0001f600 caf\u00e9",
        "a<sep>b",
    ]
    texts.append(Path(__file__).read_text(encoding="utf-8"))
    published = Tokenizer.from_file(str(PUBLISHED / "codegen2-tokenizer.json"))
    ours = load_tokenizer(codegen2)
    for text in texts:
        assert ours.encode(text).ids == published.encode(text).ids
    without = encode_documents(load_text_tokenizer(codegen2), texts[:-2])
    assert [ids.tolist() for ids in without] == [published.encode(text).ids for text in texts[:-2]]


def test_other_merges_than_gpt2s_are_refused():
    with pytest.raises(DataError, match="not GPT-2's 50,000 pairs: there are 2 lines"):
        REBUILT["codegen2"](b"#version: 0.2\na b\nc d\n")


def test_codegen25_has_the_published_ids(codegen25):
    control = control_of(codegen25)
    assert (control.end, control.sep, control.eom, control.mask_1) == (50256, 50317, 50318, 51199)
    assert (control.masks, control.vocabulary) == (881, 51200)
    assert (control.fim_prefix, control.fim_middle, control.fim_suffix) == (50295, 50296, 50297)
    tokenizer = load_tokenizer(codegen25)
    known = {" " * 31: 50257, "\t" * 2: 50294, "<fim_prefix>": 50295, "<reponame>": 50312}
    known |= {"<dummy_0>": 50313, "<dummy_3>": 50316, "<mask_881>": 50319}
    for content, number in known.items():
        assert tokenizer.encode(content).ids == [number]


def test_codegen25_encodes_every_token_as_the_program_does(
    codegen25_encoder, codegen25_ranks, codegen25_program
):
    texts = [
        t for token in codegen25_ranks if (t := token.decode("utf-8", "ignore")).encode() == token
    ]
    assert len(texts) > 49_000
    ours = codegen25_encoder.encode(pa.array(texts))
    assert [ids.tolist() for ids in ours] == codegen25_program.encode_ordinary_batch(texts)


SPACED = st.lists(
    st.sampled_from([" ", "\t", "\n", "x", "1", "."]).flatmap(
        lambda unit: st.integers(1, 70).map(lambda count: unit * count)
    )
).map("".join)


@settings(max_examples=50)
@given(st.lists(SPACED | st.text(), min_size=1, max_size=10))
def test_codegen25_encodes_any_text_as_the_program_does(
    codegen25_encoder, codegen25_program, texts
):
    ours = codegen25_encoder.encode(pa.array(texts))
    assert [ids.tolist() for ids in ours] == codegen25_program.encode_ordinary_batch(texts)


def test_hard_texts_give_the_ids_of_the_program(codegen25_encoder, codegen25_program):
    texts = list(hard_texts())
    ours = codegen25_encoder.encode(pa.array(texts))
    assert [ids.tolist() for ids in ours] == codegen25_program.encode_ordinary_batch(texts)


def test_real_files_give_the_ids_of_the_library(encoders):
    if not CORPUS.is_dir():
        pytest.skip("there are no real files: ../shared/data/corpus")
    for encoder in encoders.values():
        assert encoder.is_fast
        library = Encoder(encoder.tokenizer, None)
        for file in sorted(CORPUS.glob("stack/data/*/*.parquet"))[::5]:
            texts = pq.read_table(file, columns=["content"])["content"].slice(0, 12)
            for ids, known in zip(encoder.encode(texts), library.encode(texts), strict=True):
                assert np.array_equal(ids, known)
