"""What a user chooses for an evaluation, and where its files are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from manifests.errors import UsageError
from manifests.io import files
from trainer.evaluation.data import find_file, read_object
from trainer.evaluation.model import EvaluatedModel

MAX_TOKENS = 512
"""Most tokens of a completion. Published: bigcode-evaluation-harness' max_length_generation."""

Item = TypeVar("Item")
Progress = Callable[[str, int, int], None]
"""Called with the name of a step, and how many of how many items are done."""


@dataclass(frozen=True)
class Settings:
    """What determines the numbers, besides the model and the files.

    Attributes:
        samples: samples of a problem at each temperature.
        ks: of pass@k.
        temperature: of all samples; None: the paper's for each k.
        seed: of the random draws.
        limit: number of rows of each file that are used, from its beginning; None: all.
        documents: maximum number of held-out documents of a component.
        long_prompts: whether a prompt longer than the model's context stops the evaluation or
            counts as failed.
    """

    samples: int = 1
    ks: tuple[int, ...] = (1,)
    temperature: float | None = None
    seed: int = 0
    limit: int | None = None
    documents: int = 256
    long_prompts: Literal["refuse", "fail"] = "refuse"

    def first(self, rows: Sequence[Item]) -> Sequence[Item]:
        """Return the rows that are used."""
        return rows[: self.limit]


@dataclass(frozen=True)
class Job:
    """One task of an evaluation.

    Attributes:
        model: that is evaluated.
        data: directory of the benchmarks' files.
        directory: where the task writes its files; local.
        settings: of the evaluation.
        rows: maximum number of samples that are decoded at once.
        progress: see `Progress`.
    """

    model: EvaluatedModel
    data: str
    directory: str
    settings: Settings
    rows: int
    progress: Progress

    def file(self, name: str, task: str) -> str:
        """Return the path of a file in `data`, whose SHA-256 is recorded beside the task's samples.

        Raises:
            UsageError: there is no such file, or the task was begun with another one.
            DataError: the record is damaged.
        """
        path = find_file(self.data, name, task)
        record = files.join(self.directory, "data.json")
        before = files.read_if_exists(record)
        digests = read_object(record, before) if before else {}
        digest = files.sha256(path)
        if digests.setdefault(name, digest) != digest:
            raise UsageError(
                f"{path}: is not the file that {self.directory} was begun with; use another --out"
            )
        files.write_json(record, digests)
        return path

    def fits(self, name: str, prompt: Sequence[int]) -> bool:
        """Tell whether a prompt leaves room for a token.

        Raises:
            UsageError: it does not, and `settings.long_prompts` says "refuse".
        """
        if len(prompt) < self.model.context:
            return True
        if self.settings.long_prompts == "fail":
            return False
        raise UsageError(
            f"{name}: the prompt has {len(prompt)} tokens, and the model has a context of "
            f"{self.model.context}; `--long-prompts fail` counts such prompts as failed"
        )
