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


@given(documents, st.integers(3, 40), st.sampled_from([None, 260]))
def test_each_token_of_a_document_counts_once(document, length, task_token) -> None:
    """Each sequence begins with the task token; the first one has the end token behind it."""
    objective = make_objective("clm", CONTROL, {}, task_token=task_token)
    sequences = list(text_sequences(document, objective, length, 0))
    counted = np.concatenate([sequence.tokens[sequence.first :] for sequence in sequences])
    assert counted.tolist() == document.tolist()
    assert all(len(sequence.tokens) <= length for sequence in sequences)
    front = [] if task_token is None else [task_token]
    assert all(sequence.tokens[: len(front)].tolist() == front for sequence in sequences)
    assert sequences[0].tokens[len(front)] == 256
    assert {sequence.prefix for sequence in sequences} == {0}


def test_prefixes_of_documents_have_the_law_of_training() -> None:
    """r is uniform over 0 to 0.9; what is behind the prefix counts."""
    document = np.arange(99, dtype=np.uint16)
    objective = make_objective("clm", CONTROL, {}, attention="prefix")
    made = [next(text_sequences(document, objective, 100, key)) for key in range(400)]
    prefixes = np.array([sequence.prefix for sequence in made])
    assert 42 < prefixes.mean() < 48 and prefixes.min() < 4 and 86 < prefixes.max() <= 90
    assert all(sequence.first == max(sequence.prefix, 1) for sequence in made)
    again = [next(text_sequences(document, objective, 100, key)).prefix for key in range(400)]
    assert again == prefixes.tolist()


@pytest.mark.parametrize(
    ("name", "attention", "tail"),
    [
        ("span_corruption", "causal", None),
        ("span_corruption", "prefix", 0),
        ("ul2_x3", "causal", 1),
    ],
)
def test_the_prefix_of_a_gap_is_that_of_its_prompt(name, attention, tail) -> None:
    objective = make_objective(name, CONTROL, {}, attention, 260)
    sequence = gap_sequence(np.arange(50, dtype=np.uint16), objective, 40, 3)
    assert sequence.tokens[0] == 260
    assert sequence.prefix == (0 if tail is None else sequence.first - tail)


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


def test_a_prefix_lm_counts_what_is_behind_the_prefixes(trained) -> None:
    run = Run.open(trained)
    whole = list(read_heldout(run.plan, run.tokenizer, 10))
    plan = run.plan.model_copy(update={"attention": "prefix"})
    parts = list(read_heldout(plan, run.tokenizer, 10))
    for part, document in zip(parts, whole, strict=True):
        texts = [sequence for sequence in part.sequences if not sequence.is_gap]
        assert part.tokens == sum(sequence.counted for sequence in texts) <= document.tokens
        assert part.bytes <= document.bytes
    assert 0.4 < sum(d.bytes for d in parts) / sum(d.bytes for d in whole) < 0.7
    assert sum(d.tokens for d in parts) < 0.7 * sum(d.tokens for d in whole)


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
