"""Any causal language model that transformers loads, from a local directory with safetensors."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from manifests.errors import UsageError
from manifests.tokenizer.tokenizer import control_of, decode, load_text_tokenizer, load_tokenizer
from objectives.tasks.objective import Objective
from trainer.evaluation.model import (
    TAIL,
    Likelihood,
    Question,
    batched_likelihoods,
    likelihoods_of,
    padded,
)
from trainer.interop.folder import TOKENIZER
from trainer.interop.record import record_of_vocabulary
from trainer.sampling.generate import Sampling
from trainer.sampling.text import Prompt

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")
"""Names of the context in configs."""


class TransformersModel:
    """See `EvaluatedModel`; sampled by transformers' `generate`, n samples of a prompt at a time.

    Attributes:
        context: maximum number of tokens of a sequence.
    """

    def __init__(self, model: Any, tokenizer: str) -> None:
        """Take a model of transformers, and the path of its tokenizer.json.

        Raises:
            UsageError: config.json says no context.
        """
        self._model = model
        contexts = [getattr(model.config, key, None) for key in CONTEXT_KEYS]
        if not any(contexts):
            raise UsageError(f"{tokenizer}: its config.json has none of {', '.join(CONTEXT_KEYS)}")
        self.context = next(int(context) for context in contexts if context)
        control = control_of(tokenizer)
        self._end = control.end
        self._infillers: list[Objective[Any]] = [
            objective
            for objective in record_of_vocabulary(control).make_objectives().values()
            if objective.infill_prompt([], []) is not None
        ]
        self._encoder: Tokenizer = load_text_tokenizer(tokenizer)
        self._decoder: Tokenizer = load_tokenizer(tokenizer)

    @classmethod
    def open(cls, path: str) -> "TransformersModel":
        """Open a directory; the model is on the GPU if there is one.

        Raises:
            UsageError: transformers is not installed, or does not load the directory.
        """
        try:
            from transformers import AutoModelForCausalLM
        except ImportError:
            raise UsageError(
                f"{path}: was not written by Stackpile; `pip install transformers` to evaluate it"
            ) from None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            model = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{path}: transformers does not load it: {error}") from None
        return cls(model.to(device).eval(), f"{path.rstrip('/')}/{TOKENIZER}")

    def encode(self, text: str) -> list[int]:
        """See `EvaluatedModel`."""
        ids: list[int] = self._encoder.encode(text, add_special_tokens=False).ids
        return ids

    def prompt(self, text: Sequence[int]) -> list[int]:
        """See `EvaluatedModel`."""
        return list(text) or [self._end]

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """See `EvaluatedModel`."""
        prefix = self.encode(prompt.prefix)
        if prompt.suffix is None:
            return self.prompt(prefix)
        made = self._infiller.infill_prompt(prefix, self.encode(prompt.suffix))
        assert made is not None
        return made

    @torch.inference_mode()
    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        infill: bool,
        sampling: Sampling,
        stops: Sequence[str],
    ) -> list[list[str]]:
        """See `EvaluatedModel`."""
        from transformers import StoppingCriteria, StoppingCriteriaList

        class Stops(StoppingCriteria):
            def __call__(criteria, ids: torch.Tensor, scores: Any, **rest: Any) -> torch.Tensor:
                tails = [decode(self._decoder, row[start:][-TAIL:].tolist()) for row in ids]
                ended = [any(stop in tail for stop in stops) for tail in tails]
                return torch.tensor(ended, device=ids.device)

        ends = sorted(self._infiller.stop_tokens) if infill else [self._end]
        warm = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        results = []
        for prompt in prompts:
            key = zlib.crc32(np.array(prompt, "<i8").tobytes())
            start, made = len(prompt), list[str]()
            ids = torch.tensor([list(prompt)], device=self._model.device)
            while (left := sampling.samples - len(made)) > 0:
                torch.manual_seed(hash((sampling.seed, key, len(made))))
                rows = self._model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=min(sampling.tokens, self.context - start),
                    do_sample=sampling.temperature > 0,
                    num_return_sequences=min(left, sampling.rows) if sampling.temperature else 1,
                    eos_token_id=ends,
                    pad_token_id=ends[0],
                    stopping_criteria=StoppingCriteriaList([Stops()] if stops else []),
                    **(warm if sampling.temperature else {}),
                )
                made += [self._text(row[start:].tolist(), ends) for row in rows]
                if not sampling.temperature:
                    made *= sampling.samples
            results.append(made)
        return results

    def likelihoods(self, questions: Sequence[Question], infill: bool = False) -> list[Likelihood]:
        """See `EvaluatedModel`."""
        return batched_likelihoods(questions, self._likelihoods)

    @torch.inference_mode()
    def _likelihoods(self, questions: Sequence[Question]) -> list[Likelihood]:
        tokens, places = padded(questions)
        # Padding is at the end, where causal attention does not see it.
        logits = self._model(tokens.to(self._model.device)).logits
        return likelihoods_of([logits.flatten(0, 1)[places.to(logits.device)]], questions)

    def _text(self, tokens: list[int], ends: list[int]) -> str:
        """Return the text of sampled tokens up to the first that ends a sample."""
        places = [place for place, token in enumerate(tokens) if token in ends]
        return decode(self._decoder, tokens[: places[0]] if places else tokens)

    @property
    def _infiller(self) -> Objective[Any]:
        if not self._infillers:
            raise UsageError("infill: the vocabulary of this model has no tokens to fill gaps with")
        return self._infillers[0]
