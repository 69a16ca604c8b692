"""A model with what it needs to continue texts and to fill gaps, from a run or a directory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from tokenizers import Tokenizer

from manifests.errors import UsageError
from manifests.io import files
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import load_text_tokenizer, load_tokenizer
from objectives.tasks.objective import Objective
from objectives.tasks.registry import plain_objective
from trainer.interop.folder import CONFIG, ModelFolder
from trainer.interop.record import drawable_tokens
from trainer.layout import PLAN
from trainer.models import Decoder
from trainer.run import Run
from trainer.sampling.generate import Decoding


@dataclass(frozen=True)
class LanguageModel:
    """A model, its vocabulary, and its objectives.

    Attributes:
        model: on the device that decodes.
        tokenizer: path of tokenizer.json.
        control: the control tokens of the vocabulary.
        context: maximum number of tokens of a sequence.
        objectives: those that the model was trained on, by name, in the order of the registry.
    """

    model: Decoder
    tokenizer: str
    control: SpecialTokens
    context: int
    objectives: Mapping[str, Objective[Any]]

    @classmethod
    def open(cls, path: str, step: int | None = None) -> "LanguageModel":
        """Open a run's checkpoint, or a directory that `export` or `import` wrote.

        The model is on the GPU if there is one.

        Args:
            path: of the run or the directory.
            step: of the checkpoint; default: the last one.

        Raises:
            UsageError: the path is neither, or the run has no such checkpoint.
            DataError: a file is damaged.
        """
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if files.exists(files.join(path, PLAN)):
            run = Run.open(path)
            plan = run.plan
            model = run.model(step).to(device)
            return cls(model, run.tokenizer, plan.control, plan.sequence_length, plan.objectives())
        if not files.exists(files.join(path, CONFIG)):
            raise UsageError(
                f"{path}: is neither a run, for it has no {PLAN}, nor a model directory, for it "
                f"has no {CONFIG}"
            )
        folder = ModelFolder.open(path)
        record = folder.require_record()
        if step is not None:
            raise UsageError(f"--step: {path} is a model directory, which has one checkpoint")
        tokenizer, objectives = folder.tokenizer, record.make_objectives()
        model = folder.model().to(device)
        return cls(model, tokenizer, record.control, folder.context, objectives)

    @cached_property
    def encoder(self) -> Tokenizer:
        """The tokenizer without control tokens, for prompts."""
        return load_text_tokenizer(self.tokenizer)

    @cached_property
    def decoder(self) -> Tokenizer:
        """The tokenizer with control tokens."""
        return load_tokenizer(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, in which no control token is recognized."""
        ids: list[int] = self.encoder.encode(text, add_special_tokens=False).ids
        return ids

    @cached_property
    def _drawable(self) -> torch.Tensor:
        """The ids that a sample may have, bool [vocabulary]."""
        return torch.from_numpy(
            drawable_tokens(self.tokenizer, self.model.vocabulary, self.objectives)
        )

    def prompt(self, text: Sequence[int]) -> list[int]:
        """Return the prompt that the model continues behind a text.

        It begins with the task token. A document begins after an end token.
        """
        return [*plain_objective(self.objectives).front, *(text or [self.control.end])]

    def continuation(self) -> Decoding:
        """Return how a text is continued: up to the end token."""
        prefix = 0 if plain_objective(self.objectives).has_prefix else None
        stop = frozenset({self.control.end})
        return Decoding(self.context, stop, self._drawable, prefix)

    def infill(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int]:
        """Return the prompt that the model answers with the ids between two texts.

        Raises:
            UsageError: the model was trained on no objective that fills gaps.
        """
        prompt = self._infiller.infill_prompt(prefix, suffix)
        assert prompt is not None
        return prompt

    def infilling(self) -> Decoding:
        """Return how a gap is filled: up to the stop token of the objective; raises as `infill`."""
        objective = self._infiller
        return Decoding(self.context, objective.stop_tokens, self._drawable, objective.prompt_tail)

    @property
    def _infiller(self) -> Objective[Any]:
        """The first objective of the registry that fills gaps."""
        for objective in self.objectives.values():
            if objective.infill_prompt([], []) is not None:
                return objective
        raise UsageError(
            "a gap cannot be filled: no objective of this model fills in between a prefix and a "
            "suffix"
        )
