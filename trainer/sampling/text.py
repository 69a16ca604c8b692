"""Texts that a model samples after a prefix, or between a prefix and a suffix."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from manifests.console.output import printable
from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.tokenizer.tokenizer import decode
from trainer.sampling.generate import Completion, Ended, Sampling, generate
from trainer.sampling.language_model import LanguageModel


@dataclass(frozen=True)
class Prompt:
    """A text to continue, or a gap to fill.

    Attributes:
        prefix: text before the sample.
        suffix: text after the sample; None to continue the prefix.
    """

    prefix: str
    suffix: str | None = None


@dataclass(frozen=True)
class Sample:
    """One sample of a prompt.

    Attributes:
        text: its text.
        tokens: number of its tokens, without the stop token.
        ended: why it ended.
    """

    text: str
    tokens: int
    ended: Ended


def sample_texts(
    language_model: LanguageModel,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[Sample]]:
    """Return `sampling.samples` samples of each prompt.

    Args:
        language_model: see `LanguageModel.open`.
        prompts: in any order and of any length.
        sampling: how samples are drawn.
        progress: called with the number of finished samples after each batch.

    Raises:
        UsageError: a prompt is too long for the context, or has a suffix and the model was trained
            on no objective that fills gaps.
    """
    results: list[list[Completion]] = [[] for _ in prompts]
    done = 0
    for has_gap in (False, True):
        numbers = [i for i, prompt in enumerate(prompts) if (prompt.suffix is not None) == has_gap]
        if not numbers:
            continue
        decoding = language_model.infilling() if has_gap else language_model.continuation()
        ids = [prompt_ids(language_model, prompts[number]) for number in numbers]
        before = done
        completions = generate(
            language_model.model,
            ids,
            sampling,
            decoding,
            lambda n: progress(before + n),  # noqa: B023
        )
        for number, made in zip(numbers, completions, strict=True):
            results[number] = made
            done += len(made)
    return [[_sample(language_model, completion) for completion in made] for made in results]


def prompt_ids(language_model: LanguageModel, prompt: Prompt) -> list[int]:
    """Return the tokens of a prompt; UsageError if the model cannot fill its gap."""
    prefix = language_model.encode(prompt.prefix)
    if prompt.suffix is None:
        return language_model.prompt(prefix)
    return language_model.infill(prefix, language_model.encode(prompt.suffix))


def _sample(language_model: LanguageModel, completion: Completion) -> Sample:
    text = decode(language_model.decoder, completion.tokens)
    return Sample(text, len(completion.tokens), completion.ended)


def read_prompts(path: str) -> list[Prompt]:
    """Read prompts from JSON lines with `prefix`, and `suffix` for a gap.

    Raises:
        DataError: a line is not such an object.
        UsageError: the file has no line.
    """
    prompts = []
    for number, line in enumerate(files.read_bytes(path).splitlines(), start=1):
        if line.strip():
            prompts.append(_prompt(f"{path}: line {number}", line))
    if not prompts:
        raise UsageError(f"{path}: has no prompt")
    return prompts


def _prompt(place: str, line: bytes) -> Prompt:
    try:
        row = json.loads(line)
    except ValueError:
        raise DataError(f"{place} is not JSON") from None
    if not isinstance(row, dict) or not isinstance(row.get("prefix"), str):
        raise DataError(f"{place} is not an object with a text `prefix`")
    if not isinstance(suffix := row.get("suffix"), str | None):
        raise DataError(f"{place}: `suffix` is not a text")
    return Prompt(row["prefix"], suffix)


def answer_values(prompts: Sequence[Prompt], samples: list[list[Sample]]) -> list[dict[str, Any]]:
    """Return the samples of each prompt as plain values for JSON."""
    return [
        {
            "prefix": prompt.prefix,
            "suffix": prompt.suffix,
            "samples": [sample.text for sample in made],
            "tokens": [sample.tokens for sample in made],
            "ended": [sample.ended for sample in made],
        }
        for prompt, made in zip(prompts, samples, strict=True)
    ]


NOTES = {"tokens": "[the maximum number of tokens]", "context": "[the end of the model's context]"}
"""What is shown behind a sample that no stop token ended."""


def samples_text(prompts: Sequence[Prompt], samples: list[list[Sample]]) -> Text:
    """Return each sample in color between its prefix and suffix, with its reason to end.

    Control characters are replaced.
    """
    shown = []
    for prompt, made in zip(prompts, samples, strict=True):
        before, after = Text(printable(prompt.prefix)), Text(printable(prompt.suffix or ""))
        for sample in made:
            note = Text(NOTES.get(sample.ended, ""), "dim")
            shown.append(before + Text(printable(sample.text), "bold green") + note + after)
    return Text("\n", no_wrap=True, overflow="ignore").join(shown)
