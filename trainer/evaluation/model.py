"""What an evaluation asks of a model, and how a model of `trainer.models` answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F

from manifests.tokenizer.tokenizer import decode
from trainer.evaluate import BATCH_TOKENS
from trainer.models.loss import CHUNK_ELEMENTS
from trainer.sampling.generate import Sampling, generate
from trainer.sampling.language_model import LanguageModel
from trainer.sampling.text import Prompt, prompt_ids

TAIL = 16
"""Last tokens of a sample in which a stop text is looked for after each token. Ours: more than any
stop text has."""


class Likelihood(NamedTuple):
    """How likely an answer is after a prompt.

    Attributes:
        log_probability: of the whole answer, in nats.
        greedy: whether each token of the answer is the likeliest one.
        tokens: of the answer.
    """

    log_probability: float
    greedy: bool
    tokens: int


class Question(NamedTuple):
    """A prompt and an answer, as ids.

    Attributes:
        prompt: at least one id.
        answer: at least one id.
    """

    prompt: list[int]
    answer: list[int]


class EvaluatedModel(Protocol):
    """A model that texts are sampled from, and that scores texts."""

    @property
    def context(self) -> int:
        """Maximum number of tokens of a sequence."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, in which no control token is recognized."""

    def prompt(self, text: Sequence[int]) -> list[int]:
        """Return the prompt that the model continues behind the ids of a text, which may be empty.

        It begins with the model's task token, if it has one.
        """

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the ids of a prompt; UsageError if it has a gap that the model cannot fill."""

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        infill: bool,
        sampling: Sampling,
        stops: Sequence[str],
    ) -> list[list[str]]:
        """Return the samples of each prompt; text may follow the first stop text.

        Args:
            prompts: of `prompt_ids`.
            infill: whether the prompts have gaps.
            sampling: how samples are drawn.
            stops: a sample may end behind one of these texts, besides at the model's stop token.
        """

    def likelihoods(self, questions: Sequence[Question], infill: bool = False) -> list[Likelihood]:
        """Return how likely each answer is; a prompt and its answer fit into the context."""


@dataclass(frozen=True)
class OwnModel:
    """A run's checkpoint or a model directory that Stackpile wrote."""

    model: LanguageModel

    @property
    def context(self) -> int:
        """See `EvaluatedModel`."""
        return self.model.context

    def encode(self, text: str) -> list[int]:
        """See `EvaluatedModel`."""
        return self.model.encode(text)

    def prompt(self, text: Sequence[int]) -> list[int]:
        """See `EvaluatedModel`."""
        return self.model.prompt(text)

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """See `EvaluatedModel`."""
        return prompt_ids(self.model, prompt)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        infill: bool,
        sampling: Sampling,
        stops: Sequence[str],
    ) -> list[list[str]]:
        """See `EvaluatedModel`."""
        decoding = self.model.infilling() if infill else self.model.continuation()
        decoder = self.model.decoder

        def is_enough(tokens: Sequence[int]) -> bool:
            tail = decode(decoder, tokens[-TAIL:])
            return any(stop in tail for stop in stops)

        if stops:
            decoding = replace(decoding, is_enough=is_enough)
        made = generate(self.model.model, prompts, sampling, decoding)
        return [[decode(decoder, sample.tokens) for sample in samples] for samples in made]

    def likelihoods(self, questions: Sequence[Question], infill: bool = False) -> list[Likelihood]:
        """See `EvaluatedModel`."""
        decoding = self.model.infilling() if infill else self.model.continuation()
        return batched_likelihoods(
            questions, lambda batch: self._likelihoods(batch, decoding.prefix)
        )

    @torch.inference_mode()
    def _likelihoods(self, questions: Sequence[Question], tail: int | None) -> list[Likelihood]:
        """Return the likelihoods of one batch.

        Args:
            questions: of the batch.
            tail: tokens at the end of a prompt that its front does not attend to (Prefix-LM); None
                if attention is causal.
        """
        model = self.model.model
        device = model.embed.weight.device
        tokens, places = padded(questions)
        prompts = torch.tensor([len(question.prompt) for question in questions])
        prefix = None if tail is None else (prompts - tail).clamp(min=0).to(device)
        hidden = model.hidden(tokens.to(device), prefix=prefix).flatten(0, 1)
        rows = max(1, CHUNK_ELEMENTS[device.type] // model.vocabulary)
        pieces = places.to(device).split(rows)
        return likelihoods_of((model.head(hidden[piece]) for piece in pieces), questions)


def batched_likelihoods(
    questions: Sequence[Question],
    batch_likelihoods: Callable[[Sequence[Question]], list[Likelihood]],
) -> list[Likelihood]:
    """Return the likelihoods of questions, batched by length, in the order of the questions."""
    sizes = np.array([len(prompt) + len(answer) for prompt, answer in questions], np.int64)
    order = np.argsort(-sizes, kind="stable")
    results: dict[int, Likelihood] = {}
    while len(order):
        rows = max(1, BATCH_TOKENS // int(sizes[order[0]]))
        batch, order = order[:rows].tolist(), order[rows:]
        made = batch_likelihoods([questions[number] for number in batch])
        results.update(zip(batch, made, strict=True))
    return [results[number] for number in range(len(questions))]


def padded(questions: Sequence[Question]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens of a batch, and the places whose logits predict the answers.

    Returns:
        int64 [rows, longest] without each row's last token, padded with 0; int64 [answer tokens] of
        the flattened tokens.
    """
    rows = [torch.tensor([*prompt, *answer][:-1]) for prompt, answer in questions]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    places = [
        number * tokens.shape[1] + len(question.prompt) - 1 + torch.arange(len(question.answer))
        for number, question in enumerate(questions)
    ]
    return tokens, torch.cat(places)


def likelihoods_of(
    logits: Iterable[torch.Tensor], questions: Sequence[Question]
) -> list[Likelihood]:
    """Return the likelihoods of answers.

    Args:
        logits: of `padded`'s places in their order: pieces [answer tokens, vocabulary] of any size.
        questions: of the batch.
    """
    answers = torch.tensor([token for question in questions for token in question.answer])
    entropies, equals, start = [], [], 0
    for piece in logits:
        targets = answers[start : start + len(piece)].to(piece.device)
        entropies.append(F.cross_entropy(piece.float(), targets, reduction="none").double().cpu())
        equals.append((piece.argmax(1) == targets).cpu())
        start += len(piece)
    losses, likeliest = torch.cat(entropies), torch.cat(equals)
    counts = [len(question.answer) for question in questions]
    return [
        Likelihood(-float(loss.sum()), bool(equal.all()), count)
        for loss, equal, count in zip(
            losses.split(counts), likeliest.split(counts), counts, strict=True
        )
    ]
