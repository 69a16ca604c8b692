"""Held-out documents of a run's components, as sequences that a model is scored on.

Each token of a document is predicted once. The context of its first token is the end token, and the
task token before it if the run has task tokens; later tokens also see up to a sequence length of
the document before them. A Prefix-LM reads the front of each sequence as its prefix, whose length
has the law of training, and predicts the tokens behind it alone. If an objective of the run
fills gaps, the model also fills in a part of each document, whose two ends are uniform (ours; the
random spans of HumanEval-Infill are much the same).
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.quality.scope import genre_of_component
from manifests.dataset.component import Component
from manifests.dataset.dataset import Dataset
from manifests.errors import UsageError
from manifests.lineage.manifest import Manifest
from manifests.mixture.columns import columns_of
from manifests.prng.splitmix import derive_key, uniforms
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from objectives.stream.plan import Plan
from objectives.tasks.kernels import fixed_point
from objectives.tasks.objective import Objective
from objectives.tasks.prefix import prefix_length
from objectives.tasks.registry import plain_objective

Tokens = npt.NDArray[Any]

Language = Literal["natural language", "programming language"]

SEED = 0
"""Of gaps and prefixes: the same in each run, so that runs can be compared."""


class ScoredSequence(NamedTuple):
    """A sequence, and the tokens in it that count."""

    tokens: Tokens
    """Integers [n]."""
    first: int
    """The first token that counts, at least 1; the tokens before it are context."""
    prefix: int
    """Positions at the front that attend to each other."""
    is_gap: bool
    """Whether the tokens that count fill a gap."""

    @property
    def counted(self) -> int:
        """Number of the tokens that count."""
        return len(self.tokens) - self.first


class HeldOutDocument(NamedTuple):
    """A document."""

    component: str
    """`source/slug`."""
    language: Language
    bytes: int
    """Bytes of the text of `tokens`."""
    tokens: int
    """Its tokens that count outside of gaps: all of them, or those behind prefixes."""
    sequences: list[ScoredSequence]


def read_heldout(plan: Plan, tokenizer: str, limit: int) -> Iterator[HeldOutDocument]:
    """Yield held-out documents of the components of a plan, without empty and forgotten ones.

    Args:
        plan: of the run.
        tokenizer: path of tokenizer.json.
        limit: maximum number of documents of a component. They are evenly spaced in it.

    Raises:
        UsageError: no component has held-out documents.
        DataError: a file of a dataset is missing or damaged.
    """
    decoder, is_empty = load_tokenizer(tokenizer), True
    plain, filling = plain_objective(plan.objectives()), _filling_objective(plan)
    for name, language, component in _heldout_components(plan):
        is_empty = False
        last = component.documents - 1
        chosen = np.unique(np.arange(limit) * last // max(1, limit - 1))
        gathered = component.gather(chosen)
        documents = np.split(gathered.tokens, gathered.starts[1:-1])
        for number, tokens in zip(chosen.tolist(), documents, strict=True):
            if len(tokens):
                key = derive_key(SEED, name, number)
                sequences = list(text_sequences(tokens, plain, plan.sequence_length, key))
                counted = np.concatenate([part.tokens[part.first :] for part in sequences])
                if filling is not None:
                    sequences.append(gap_sequence(tokens, filling, plan.sequence_length, key))
                size = len(decode(decoder, counted.tolist()).encode())
                yield HeldOutDocument(name, language, size, len(counted), sequences)
    if is_empty:
        raise UsageError(
            "none of the mixture's components has held-out documents; `heldout` in [tokenize] of "
            "CORPUS.toml sets some aside"
        )


def _heldout_components(plan: Plan) -> Iterator[tuple[str, Language, Component]]:
    """Yield the name in the plan, the language and the held-out documents of components."""
    datasets = {path: Dataset.open(path) for path in {c.dataset for c in plan.components}}
    for planned in plan.components:
        dataset, name = datasets[planned.dataset], planned.source_name
        if name in dataset.heldout_components:
            language = language_of(name, dataset.manifest)
            yield planned.name, language, dataset.component(name, heldout=True)


def _filling_objective(plan: Plan) -> Objective[Any] | None:
    """Return the first objective of a plan that fills gaps."""
    filling = (o for o in plan.objectives().values() if o.infill_prompt([], []) is not None)
    return next(filling, None)


def language_of(component: str, manifest: Manifest) -> Language:
    """Return what the documents of a component are.

    Code of The Stack's languages, and the Pile's set Github, are programming languages; all else
    is natural language, The Stack's texts and markup too.

    Args:
        component: `source/slug`.
        manifest: of its dataset.
    """
    columns = columns_of(component, manifest)
    is_github = (columns["kind"], columns["component"]) == ("the-pile", "github")
    is_code = is_github or genre_of_component(columns["component"]) == "code"
    return "programming language" if is_code else "natural language"


def text_sequences(
    document: Tokens, objective: Objective[Any], length: int, key: int
) -> Iterator[ScoredSequence]:
    """Cut the end token and a document into sequences that overlap by one token.

    Args:
        document: [n].
        objective: by which the model continues a text: its task token is at the front of each
            sequence, and its law draws the prefixes.
        length: maximum number of tokens of a sequence.
        key: of the random numbers.
    """
    front = np.array(objective.front, document.dtype)
    text = np.concatenate([np.array([objective.control.end], document.dtype), document])
    step = length - len(front) - 1
    for number, start in enumerate(range(0, len(document), step)):
        tokens = np.concatenate([front, text[start : start + step + 1]])
        prefix = _prefix(objective, derive_key(key, "prefix", number), len(tokens))
        yield ScoredSequence(tokens, max(len(front) + 1, prefix), prefix, False)


def _prefix(objective: Objective[Any], key: int, length: int) -> int:
    """Return the length of the prefix of a sequence without padding, by the law of training."""
    if objective.prefix_ratios is None:
        return 0
    low, high = map(fixed_point, objective.prefix_ratios)
    return prefix_length(np.uint64(key), low, high, length, length)


def gap_sequence(
    document: Tokens, objective: Objective[Any], length: int, key: int
) -> ScoredSequence:
    """Return the prompt for a gap of a document, and its answer: the gap and the stop token.

    Args:
        document: [n], of which as much is taken from the front as fits into the sequence.
        objective: one that fills gaps.
        length: maximum number of tokens of a sequence.
        key: of the random numbers. The gap has at least one token.
    """
    empty = objective.infill_prompt([], [])
    assert empty is not None
    text = document[: length - len(empty) - 1].tolist()
    low, high = uniforms(key, 2).tolist()
    start = int(low * len(text))
    stop = start + 1 + int(high * (len(text) - start))
    prompt = objective.infill_prompt(text[:start], text[stop:])
    assert prompt is not None
    tokens = [*prompt, *text[start:stop], min(objective.stop_tokens)]
    tail = objective.prompt_tail
    prefix = 0 if tail is None else len(prompt) - tail
    return ScoredSequence(np.array(tokens, document.dtype), len(prompt), prefix, True)
