"""Held-out loss of a run on natural language, on programs, and on gaps, with intervals."""

import math
from collections import defaultdict

from trainer.evaluation.intervals import Estimate, ratio
from trainer.evaluation.model import Question
from trainer.evaluation.settings import Job
from trainer.heldout import read_heldout
from trainer.run import Run

SHORT = {"natural language": "nl", "programming language": "pl"}


def evaluate_heldout(run: Run, job: Job) -> dict[str, Estimate]:
    """Return the loss on held-out documents, with intervals over documents.

    `nl_loss` and `pl_loss` are nats a token, `nl_bits` and `pl_bits` bits a byte. `infill_loss` is
    nats a token of the gaps, stop tokens included; a run that fills no gaps has none. The documents
    and the numbers are those of `trainer.evaluate`.

    Raises:
        UsageError: no component of the run has held-out documents.
    """
    job.progress("heldout", 0, 1)
    documents = list(read_heldout(run.plan, run.tokenizer, job.settings.documents))
    totals: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for is_gap in (False, True):
        losses = [0.0] * len(documents)
        sizes = [0] * len(documents)
        owners, questions = [], []
        for number, document in enumerate(documents):
            for sequence in document.sequences:
                if sequence.is_gap == is_gap:
                    tokens = sequence.tokens.tolist()
                    questions.append(Question(tokens[: sequence.first], tokens[sequence.first :]))
                    owners.append(number)
        scores = job.model.likelihoods(questions, infill=is_gap) if questions else []
        for number, score in zip(owners, scores, strict=True):
            losses[number] -= score.log_probability
            sizes[number] += score.tokens
        for document, loss, size in zip(documents, losses, sizes, strict=True):
            if is_gap:
                totals["infill_loss"].append((loss, size))
            else:
                name = SHORT[document.language]
                totals[f"{name}_loss"].append((loss, size))
                totals[f"{name}_bits"].append((loss / math.log(2), document.bytes))
    job.progress("heldout", 1, 1)
    return {
        name: ratio(*zip(*pairs, strict=True))
        for name, pairs in sorted(totals.items())
        if any(size for _, size in pairs)
    }
