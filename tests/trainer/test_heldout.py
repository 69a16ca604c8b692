"""Held-out documents as sequences: what counts, what is context, and where gaps are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.dataset.dataset import Dataset
from manifests.special_tokens import SpecialTokens
from objectives.tasks.registry import make_objective
from trainer.heldout import gap_sequence, language_of, read_heldout, text_sequences
from trainer.run import Run

CONTROL = SpecialTokens(end=256, sep=257, eom=258, mask_1=262, masks=4, vocabulary=263)

documents = st.integers(1, 90).map(lambda size: np.arange(size, dtype=np.uint16))


@given(documents, st.integers(2, 40))
def test_each_token_of_a_document_counts_once(document, length) -> None:
    sequences = list(text_sequences(document, 256, length))
    counted = np.concatenate([sequence.tokens[sequence.first :] for sequence in sequences])
    assert counted.tolist() == document.tolist()
    assert all(len(sequence.tokens) <= length for sequence in sequences)
    assert sequences[0].tokens[0] == 256


@given(documents, st.integers(8, 40), st.integers(0, 1 << 60))
def test_a_gap_is_a_part_of_the_document(document, length, key) -> None:
    """The prompt with its answer in place of the mask is the front of the document."""
    sequence = gap_sequence(document, make_objective("span_corruption", CONTROL, {}), length, key)
    tokens = sequence.tokens.tolist()
    prompt, answer = tokens[: sequence.first], tokens[sequence.first :]
    mask = CONTROL.mask(1)
    assert prompt[-3:] == [CONTROL.end, CONTROL.sep, mask]
    assert answer[-1] == CONTROL.eom and len(answer) > 1
    place = prompt.index(mask)
    text = prompt[:place] + answer[:-1] + prompt[place + 1 : -3]
    assert text == document.tolist()[: len(text)]
    assert len(text) == min(len(document), length - 5)
    assert sequence.prefix == 0


def test_the_ends_of_gaps_are_spread_over_the_document() -> None:
    document, objective = np.arange(100, dtype=np.uint16), make_objective("fim", FIM, {})
    gaps = [gap_sequence(document, objective, 200, key) for key in range(300)]
    starts = np.array([sequence.tokens.tolist().index(258) for sequence in gaps])
    assert 40 < starts.mean() < 60 and starts.min() < 5 and starts.max() > 95
    assert all(sequence.tokens[-1] == FIM.end for sequence in gaps)


FIM = SpecialTokens(end=256, fim_prefix=257, fim_suffix=258, fim_middle=259, vocabulary=263)


def test_documents_are_evenly_spaced_and_none_comes_twice(trained) -> None:
    run = Run.open(trained)
    heldout = Dataset.open(run.plan.components[0].dataset).component("the-stack/python", True)
    texts = [tokens.tolist() for tokens in heldout.read_documents()]
    for limit in (1, 4, 10_000):
        documents = list(read_heldout(run.plan, run.tokenizer, limit))
        assert {document.language for document in documents} == {"programming language"}
        numbers = [
            texts.index([t for part in d.sequences if not part.is_gap for t in part.tokens[1:]])
            for d in documents
        ]
        evenly = {(len(texts) - 1) * place // max(1, limit - 1) for place in range(limit)}
        assert numbers == sorted(number for number in evenly if texts[number])


@pytest.mark.parametrize(
    ("component", "language"),
    [
        ("the-stack/python", "programming language"),
        ("the-stack/python--mit", "programming language"),
        ("the-stack/markdown", "natural language"),
        ("the-pile/github", "programming language"),
        ("the-pile/wikipedia-en", "natural language"),
        ("own/notes", "natural language"),
    ],
)
def test_the_language_of_a_component(trained, component, language) -> None:
    manifest = Dataset.open(Run.open(trained).plan.components[0].dataset).manifest
    sources = {"the-stack": {"kind": "the-stack", "partition_by": ["license"]}}
    partitioned = manifest.model_copy(update={"extra": {"sources": sources}})
    assert language_of(component, partitioned) == language
